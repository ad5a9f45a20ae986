"""The operator table says what the package's tables and its record say."""

from command import coverify
from tflm_int8.operators import OPERATORS
from tflm_int8.oracle_record import OracleRecord


def test_every_operator_is_listed_with_the_models_on_which_it_was_checked():
    done = coverify("ops", "--json", "-")
    assert done.code == 0
    rows = {row["op"]: row for row in done.result["support"]}
    assert set(rows) == set(OPERATORS)
    record = OracleRecord.read()
    assert done.result["oracle"] == {"name": record.oracle, "version": record.version}
    for op, row in rows.items():
        assert row["checked"] == record.cases[op]
        assert ("exact" in row) == ("Exact" in row["lowered_to"])


def test_every_type_on_which_an_operator_was_checked_is_shown():
    rows = {row.split()[0]: row for row in coverify("ops").stdout.splitlines() if row.startswith("CUSTOM:")}
    assert "uint32" in rows["CUSTOM:SignalPCAN"] and "uint64" in rows["CUSTOM:SignalFilterBankSquareRoot"]
    assert "not checked" not in "".join(rows.values())


def test_an_operator_that_is_not_modelled_is_refused_by_name():
    done = coverify("ops", "COMPLEX_ABS", "--json", "-")
    assert done.code == 2
    assert done.result["verdict"] == "UNSUPPORTED"
