"""Many runs: what a study is, the engines that train its runs, and the driver that goes from plan to outcome."""
