"""Growth by parameter and of the function, as the command line prints them."""

import json


def test_growth_by_parameter_is_a_table_an_object_and_a_figure(cli, tmp_path):
    asked = ("--data", "iris", "--model", "mlp:4-8-3", "--lr", 1, "--steps", 30, "--replicas", 2)
    assert cli("record", "training", *asked, "--store", "distances", "-o", "r.nc")[0] == 0
    window = ("--window", "1:30")
    code, out, _ = cli("analyze", "lyapunov", "r.nc", "--parameter", "all", *window)
    assert code == 0
    lines = out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("parameter "))
    assert lines[start].split()[:3] == ["parameter", "growth", "per"]
    assert [line.split()[0] for line in lines[start + 1 : start + 5]] == [
        *("0.weight", "0.bias", "2.weight", "2.bias")
    ]
    assert all(line.split()[-1] == "null" for line in lines[start + 1 : start + 5])
    assert "parameter_relative: the weights are not stored" in out
    code, out, _ = cli("analyze", "lyapunov", "r.nc", "--by", "layer", *window, "--json")
    share = json.loads(out)["results"]["parameter_share_mean"]
    assert share["parameter"] == ["0", "2"]
    assert abs(sum(share["value"]) - 1.0) < 1e-12
    code, _, err = cli("analyze", "lyapunov", "r.nc", "--parameter", "3.weight")
    assert code == 2
    assert "parameter is '3.weight', expected 'all', '0.weight'" in err
    assert cli("plot", "lyapunov", "r.nc", "--by", "layer", *window, "-o", "r.png")[0] == 0
    assert (tmp_path / "r.png").stat().st_size > 1000
    code, out, _ = cli("analyze", "lyapunov", "r.nc", "--distance", "output")
    assert code == 0
    for name in ("weights_growth", "outputs_growth", "prediction_disagreement"):
        assert name in out
