"""`infernet model …` as people use it: results, messages and exit codes."""

import json

import numpy as np
import onnx
import pytest

from infernet.cli import run
from infernet.models.store import load_model
from tests.unit.models.nets import Net, safe_weights


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def quantised_file(folder, name="Small Net.onnx"):
    rng = np.random.default_rng(0)
    net = Net([1, 3, 4, 4], np.uint8)
    net.node("QLinearConv", "x", *net.params(0.1, 3), net.const(safe_weights(rng, (2, 3, 1, 1))),
             *net.params(0.1, 0, np.int8), *net.params(0.1, 3))  # fmt: skip
    onnx.save(net.proto(), folder / name)
    return folder / name


def float_file(folder):
    net = Net([1, 3, 4, 4])
    weights = np.random.default_rng(0).normal(0, 1, (2, 3, 1, 1)).astype(np.float32)
    net.node("Relu", net.node("Conv", "x", net.const(weights)))
    onnx.save(net.proto(), folder / "float.onnx")
    return folder / "float.onnx"


def calibration_file(folder):
    data = np.random.default_rng(1).normal(0, 1, (6, 3, 4, 4)).astype(np.float32)
    np.savez(folder / "set.npz", x=data)
    return folder / "set.npz"


def command(*arguments):
    return run([str(argument) for argument in ("model", *arguments)])


def test_import_inspect_list_and_accuracy_work_together(tmp_path, capsys):
    path = quantised_file(tmp_path)
    assert command("import", path, "--json") == 0
    imported = json.loads(capsys.readouterr().out)
    assert imported["name"] == "small-net"
    assert imported["program_root"] == load_model("small-net").program.root.hex()

    assert command("inspect", "small-net", "--operators", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["operators"] == {"BEGIN": 1, "CONV": 1, "END": 1}
    assert sum(row["steps"] for row in facts["operator_list"]) == facts["steps"]

    assert command("list", "--json") == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} == {"digits", "small-net"}

    np.savez(tmp_path / "inputs.npz", x=np.arange(5 * 48, dtype=np.uint8).reshape(5, 3, 4, 4))
    assert command(
        "accuracy", "small-net", tmp_path / "inputs.npz", "--source", path, "--json"
    ) == 0  # fmt: skip
    report = json.loads(capsys.readouterr().out)
    assert (report["inputs"], report["top1_agreement"]) == (5, 1.0)


def test_a_float_model_is_calibrated(tmp_path, capsys):
    path = float_file(tmp_path)
    assert command("import", path, "--calibration", calibration_file(tmp_path)) == 0
    assert load_model("float").manifest.source_kind == "float"
    assert "stored in" in capsys.readouterr().out.replace("\n", " ")


def test_people_see_tables(tmp_path, capsys):
    for arguments in (("inspect", "digits", "--operators"), ("list",)):
        assert command(*arguments) == 0
        assert "digits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("import", "{folder}/missing.onnx"), 3, "give a readable file"),
        (("import", "{folder}/cut.onnx"), 3, "not a complete ONNX model"),
        (("import", "{float}"), 3, "--calibration"),
        (("import", "{float}", "--calibration", "{folder}/text.npz"), 3, "not a readable array"),
        (("import", "{float}", "--calibration", "{folder}/nowhere"), 3, "nowhere"),
        (("import", "{float}", "--mean", "1,2"), 2, "--mean"),
        (("import", "{float}", "--deviation", "0"), 2, "--deviation"),
        (("import", "{folder}/empty.onnx"), 3, "empty.onnx: the file holds no graph"),
        (("import", "{quantised}", "--mean", "1"), 2, "pixels as they are"),
        (("import", "{quantised}", "--calibration", "{folder}/no"), 3, "no such file or folder"),
        (("accuracy", "digits", "{folder}/set.npz", "--source", "{float}"), 3, "is this the file"),
        (("import", "{quantised}", "--name", "../x"), 2, "not a model name"),
        (("import", "{quantised}", "--name", "digits2", "--labels", "{folder}/no"), 2, "--labels"),
        (("build", "lenet"), 2, "no topology 'lenet'"),
        (("inspect", "nothing"), 3, "no model 'nothing'"),
        (("accuracy", "digits", "{folder}/set.npz"), 2, "--source is needed"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_errors_are_one_clear_message_and_an_exit_code(tmp_path, capsys, arguments, code, message):
    quantised = quantised_file(tmp_path)
    (tmp_path / "cut.onnx").write_bytes(quantised.read_bytes()[:150])
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "text.npz").write_text("no array")
    calibration_file(tmp_path)
    places = {"folder": tmp_path, "quantised": quantised, "float": float_file(tmp_path)}
    assert command(*(argument.format(**places) for argument in arguments)) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    models = tmp_path / "data" / "models"
    assert not models.exists() or not list(models.iterdir())


def test_the_store_that_cannot_be_written_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "file"))
    assert command("import", quantised_file(tmp_path)) == 2
    told = capsys.readouterr().err
    assert "cannot be written: Not a directory" in told
    assert "INFERNET_DATA_DIR" in told


def test_a_damaged_model_does_not_hide_the_others(tmp_path, capsys):
    assert command("import", quantised_file(tmp_path), "--name", "one") == 0
    (tmp_path / "data/models/one/manifest.json").unlink()
    capsys.readouterr()
    assert command("list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["one"]["program_root"] is None
    assert rows["digits"]["program_root"]
    assert command("list") == 0
    assert "damaged" in capsys.readouterr().out


def test_calibration_that_is_not_needed_is_said_to_be_unused(tmp_path, capsys):
    given = ("import", quantised_file(tmp_path), "--calibration", calibration_file(tmp_path))
    assert command(*given) == 0
    assert "--calibration was not used" in capsys.readouterr().err


def test_a_program_root_is_shown_whole(capsys):
    assert command("inspect", "digits") == 0
    told = capsys.readouterr().out.replace("│", "").replace("\n", "").replace(" ", "")
    assert load_model("digits").program.root.hex() in told


def test_a_name_in_use_is_not_overwritten_unasked(tmp_path, capsys):
    path = float_file(tmp_path)
    quantised = quantised_file(tmp_path)
    assert command("import", quantised, "--name", "one") == 0
    given = ("import", path, "--name", "one", "--calibration", calibration_file(tmp_path))
    assert command(*given) == 2
    assert "--replace" in capsys.readouterr().err
    assert command(*given, "--replace") == 0
