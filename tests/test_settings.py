"""settings.ini: who outranks whom, and mistakes that are told at once."""

from pathlib import Path

import pytest

from pilot_to_prod.settings import SettingsError, find_settings, load_settings

OURS = "[pilot_to_prod]\nversion = 1\n"


def ini(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.ini").write_text(text, encoding="utf-8")
    return folder


def test_flag_over_environment_over_file_over_default(tmp_path):
    here = ini(tmp_path, OURS + "[replay]\nseeds = 7\nexamples = 7\nbatch_rows = 7\n[runs]\nworkers = 7\n")
    environ = {"P2P_REPLAY_SEEDS": "8, 9", "P2P_REPLAY_EXAMPLES": "8", "P2P_RUNS_WORKERS": "8"}
    found = load_settings({"replay.seeds": (9,), "runs.workers": None}, start=here, environ=environ)
    assert found.replay.seeds == (9,)  # flag
    assert found.replay.examples == 8  # environment
    assert found.runs.workers == 8  # a flag of None is no flag
    assert found.replay.batch_rows == 7  # file
    assert found.replay.suite == "standard"  # default
    assert found.source == str(tmp_path.resolve() / "settings.ini")


def test_nearest_file_counts_and_is_read_at_run_time(tmp_path):
    ini(tmp_path, OURS + "[runs]\nworkers = 3\n[latency]\ncalls = 3\n")
    deep = ini(tmp_path / "team" / "pilot", OURS + "[runs]\nworkers = 4\n")
    assert load_settings(start=deep, environ={}).runs.workers == 4
    assert load_settings(start=deep, environ={}).latency.calls == 8  # files are not merged: the nearest one counts
    assert load_settings(start=tmp_path / "team", environ={}).runs.workers == 3
    ini(deep, OURS + "[runs]\nworkers = 5\n")
    assert load_settings(start=deep, environ={}).runs.workers == 5


def test_settings_of_another_tool_are_passed_over(tmp_path):
    ini(tmp_path, OURS + "[runs]\nworkers = 6\n")
    below = ini(tmp_path / "below", "[DEFAULT]\nlib_name = something\n[runs]\nworkers = none of ours\n")
    assert find_settings(below) == tmp_path.resolve() / "settings.ini"
    assert load_settings(start=below, environ={}).runs.workers == 6


def test_without_any_file_the_packaged_defaults_hold(tmp_path):
    found = load_settings(start=tmp_path, environ={})
    assert (found.runs.workers, found.replay.severities, found.deadlines.call) == (2, (0.1, 0.3, 0.5), 60)


def test_working_folder_is_where_the_search_begins(tmp_path, monkeypatch):
    monkeypatch.chdir(ini(tmp_path, OURS + "[deadlines]\nrun = 11\n"))
    assert load_settings().deadlines.run == 11
    monkeypatch.setenv("P2P_DEADLINES_RUN", "12")
    assert load_settings().deadlines.run == 12


def test_all_mistakes_at_once_with_the_nearest_match(tmp_path):
    here = ini(tmp_path, OURS + "[runs]\nwrokers = 3\n[replya]\nseeds = 0\n[latency]\ncalls = many\n")
    with pytest.raises(SettingsError) as e:
        load_settings({"deadlines.call": -1}, start=here, environ={"P2P_REPLAY_SEVERITY": "0.1"})
    said = str(e.value)
    for part in (
        "wrokers",
        "'workers'",
        "replya",
        "'replay'",
        "calls",
        "'many'",
        "severity",
        "'severities'",
        "deadlines",
        "-1",
    ):
        assert part in said, said
    assert str(here.resolve() / "settings.ini") in said
    assert len(said.splitlines()) == 5


@pytest.mark.parametrize(
    ("line", "says"),
    [("workers = 0", "workers"), ("workers = 1.5", "workers"), ("workers = two", "'two'"), ("folder", "folder")],
)
def test_ill_typed_values_name_their_key(tmp_path, line, says):
    with pytest.raises(SettingsError, match=says):
        load_settings(start=ini(tmp_path, f"{OURS}[runs]\n{line}\n"), environ={})


def test_severities_must_be_numbers(tmp_path):
    with pytest.raises(SettingsError, match=r"severities.*'strong'"):
        load_settings(start=ini(tmp_path, OURS + "[replay]\nseverities = 0.1, strong\n"), environ={})


def test_settings_do_not_change(tmp_path):
    found = load_settings(start=tmp_path, environ={})
    with pytest.raises(ValueError, match="frozen"):
        found.runs = None


def test_command_says_settings_mistakes_as_usage(tmp_path, monkeypatch, tiny, p2p):
    monkeypatch.chdir(ini(tmp_path, OURS + "[runs]\nwrokers = 3\n"))
    code, _, err = p2p("run", tiny())
    assert code == 2
    assert "Did you mean 'workers'?" in err and "Traceback" not in err


def test_settings_of_another_tool_in_another_encoding_are_passed_over(tmp_path):
    ini(tmp_path, OURS + "[runs]\nworkers = 6\n")
    below = tmp_path / "below"
    below.mkdir()
    (below / "settings.ini").write_bytes("[tool]\nauthor = Jürgen\n".encode("latin-1"))
    assert load_settings(start=below, environ={}).runs.workers == 6


def test_a_section_called_source_is_unknown_too(tmp_path):
    with pytest.raises(SettingsError, match="source"):
        load_settings(start=ini(tmp_path, OURS + "[source]\nx = 1\n"), environ={})


def test_a_key_in_the_marker_section_is_told(tmp_path):
    with pytest.raises(SettingsError, match="workers"):
        load_settings(start=ini(tmp_path, OURS + "workers = 9\n"), environ={})
