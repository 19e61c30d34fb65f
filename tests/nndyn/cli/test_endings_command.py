"""``nndyn record training --barrier`` and ``nndyn analyze endings``."""

import json


def test_the_command_prints_the_result_and_takes_another_beside(cli):
    base = ["record", "training", "--data", "iris", "--model", "mlp:4-8-3", "--lr", 0.5]
    base += ["--steps", 20, "--replicas", 1, "--barrier", 3, "--store", "distances"]
    assert cli(*base, "-o", "a.nc")[0] == 0
    code, out, _ = cli("analyze", "endings", "a.nc", "--beside", "a.nc", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["verdict"] == "connected"
    assert {"groups", "loss_barrier", "group", "beside_barrier"} <= found["results"].keys()
    code, _, err = cli(*base[:-4], "--barrier", 2, "-o", "b.nc")
    assert code == 2
    assert "barrier is 2" in err
