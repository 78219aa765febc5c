"""What will happen, and is it believable: forecasts with prediction intervals, and back-tests of them."""
