"""Sample data (样例): tables a fresh city can be tried with; drawn from a seed, the same every time, of no real person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sanqu.samples import agriculture, economy, environment, governance, health, people, traffic
from sanqu.samples.places import Division

Generator = Callable[[Sequence[Division], int], Any]

GENERATORS: dict[str, Generator] = {
    "air-quality-hourly": environment.air_quality_hourly,
    "births": people.births,
    "bus-stops": traffic.bus_stops,
    "charging-piles": traffic.charging_piles,
    "citrus-harvest": agriculture.citrus_harvest,
    "citrus-orchards": agriculture.citrus_orchards,
    "clinics": health.clinics,
    "credit-ratings": economy.credit_ratings,
    "elder-care-visits": health.elder_care_visits,
    "enterprises": economy.enterprises,
    "grid-events": governance.grid_events,
    "hotline-requests": governance.hotline_requests,
    "land-parcels": environment.land_parcels,
    "marriages": people.marriages,
    "muck-truck-points": traffic.muck_truck_points,
    "parking-lots": traffic.parking_lots,
    "permits-issued": governance.permits_issued,
    "properties": people.properties,
    "residents": people.residents,
    "social-insurance": people.social_insurance,
    "tourism-visits-daily": economy.tourism_visits_daily,
    "water-quality": environment.water_quality,
    "weather-daily": environment.weather_daily,
}


def generate(name: str, divisions: Sequence[Division], seed: int = 3308) -> Any:
    """The sample table called `name` as a pyarrow Table, laid over the city's `divisions`; raises `KeyError`.

    Each division is (code, name, level, parent) with level city, county, town or village. The same name, divisions
    and seed give the same table.
    """
    return GENERATORS[name](divisions, seed)
