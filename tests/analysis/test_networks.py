from types import SimpleNamespace

import pytest

from bidsmask.analysis.networks import networks_of


def source(names, **columns):
    lut = SimpleNamespace(names=names, columns=tuple(columns.items()))
    return SimpleNamespace(lut=lut)


@pytest.mark.parametrize("column", ["network", "Network", "network_label", "community"])
def test_networks_are_in_a_column_and_regions_may_be_in_none(column):
    found = networks_of(source(["a", "b", "c"], **{column: ("Vis", "n/a", "Default")}))
    assert found == ["Vis", "", "Default"]


def test_networks_are_in_names_as_those_of_schaefer():
    names = ["7Networks_LH_Vis_1", "17Networks_RH_SalVentAttnA_ParMed_2"]
    assert networks_of(source(names)) == ["Vis", "SalVentAttnA"]


def test_where_one_name_is_of_another_kind_nothing_is_known():
    assert networks_of(source(["7Networks_LH_Vis_1", "Amygdala"])) is None
