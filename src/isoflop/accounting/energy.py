"""Energy and carbon of a run: device hours × power × overhead of the data centre × carbon of its electricity."""

from __future__ import annotations

POWER_USAGE_EFFECTIVENESS = 1.1
"""Energy of the data centre over that of its devices, as [touvron2023] assume (Table 15; 2023-02-27)."""

KG_CO2_PER_KWH = 0.385
"""Mean of the electricity of the United States, as [touvron2023] assume (Table 15; 2023-02-27)."""


def energy_mwh(device_hours: float, watts: float, effectiveness: float = POWER_USAGE_EFFECTIVENESS) -> float:
    """Energy in MWh of devices that draw `watts` each, the data centre's overhead included.

    Example:
        >>> round(energy_mwh(1_022_362, 400), 1)
        449.8
    """
    return device_hours * watts * effectiveness / 1e6


def co2_tonnes(mwh: float, kg_per_kwh: float = KG_CO2_PER_KWH) -> float:
    """Tonnes of CO2 equivalent of `mwh` MWh.

    Example:
        >>> round(co2_tonnes(449.8))
        173
    """
    return mwh * kg_per_kwh
