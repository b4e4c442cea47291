"""A schedule in the words of cron, systemd, GitHub Actions and jupyter-scheduler. All of them call one command; what they say is quoted for each."""

import json
import re
import shlex
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

from pilot_to_prod.runs.schedule import Schedule, read_cron
from pilot_to_prod.spec import hash_json

_ANY_DAY = datetime(2000, 1, 1)
_YEAR = datetime(2026, 1, 1, 12, tzinfo=UTC)  # a zone's offsets are taken from the days of two years from here on
_LIMITS = {"minute": 60, "hour": 24}
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


class SchedulerError(RuntimeError):
    "A scheduler that does not answer or refuses, or text that it cannot hold; with what to do."


# ---- times


def _offsets(timezone: str, zone: tzinfo) -> set[int]:
    "Minutes to add to a time of one zone for the time of another, in summer and in winter."
    own, found = ZoneInfo(timezone), set()
    for day in range(730):
        then = _YEAR + timedelta(days=day)
        there, here = then.astimezone(zone).utcoffset(), then.astimezone(own).utcoffset()
        found.add(int(((there or timedelta()) - (here or timedelta())).total_seconds() // 60))
    return found


def _listed(numbers: set[int], size: int) -> str:
    "Numbers as a field of a cron expression: *, a step, or a list."
    for step in range(1, size // 2 + 1):
        if numbers == set(range(0, size, step)):
            return "*" if step == 1 else f"*/{step}"
    return ",".join(map(str, sorted(numbers)))


def _days_of(cron: str) -> tuple[set[int] | None, set[int] | None, set[int] | None]:
    "Days, months and weekdays (0 is Sunday) of an expression; None: any, or what plain numbers cannot say."
    sim, parts = CronSim(cron, _ANY_DAY), cron.split()
    days: set[Any] = set(sim.days)
    weekdays: set[Any] = {w % 7 if isinstance(w, int) else w for w in sim.weekdays}
    plain_days = None if parts[2] == "*" or any(d < 1 for d in days) else days
    plain_weekdays = None if parts[4] == "*" or any(not isinstance(w, int) for w in weekdays) else weekdays
    both = parts[2] != "*" and parts[4] != "*"
    if both and (plain_days is None or plain_weekdays is None):  # one of them cannot be said, and either may do
        plain_days = plain_weekdays = None
    return plain_days, None if parts[3] == "*" else set(sim.months), plain_weekdays


def asked(
    cron: str,
    timezone: str,
    zone: tzinfo = UTC,  # whose clock the asking scheduler reads
    *,
    hourly: bool = False,  # ask at these minutes of every hour
) -> str:  # five fields of plain numbers
    """When to ask, so that no due time is passed over by more than an hour.

    A zone with summer time becomes both of its hours; days are left open where the shift moves a time over midnight. Asking too often
    does no harm: what is not due is not run.
    """
    cron = read_cron(cron)
    sim = CronSim(cron, _ANY_DAY)
    shifts = _offsets(timezone, zone)
    minutes = {(m + s) % 60 for m in sim.minutes for s in shifts}
    if hourly:
        return f"{_listed(minutes, 60)} * * * *"
    times = [h * 60 + m + s for h in sim.hours for m in sim.minutes for s in shifts]
    days, months, weekdays = _days_of(cron)
    if any(not 0 <= t < 1440 for t in times):
        days = months = weekdays = None
    fields = [_listed(minutes, 60), _listed({t // 60 % 24 for t in times}, 24)]
    fields += ["*" if found is None else ",".join(map(str, sorted(found))) for found in (days, months, weekdays)]
    return " ".join(fields)


def calendar(cron: str, timezone: str) -> str:
    "The same as an OnCalendar of systemd, in the schedule's own zone; days that it cannot say are left open."
    cron = read_cron(cron)
    sim = CronSim(cron, _ANY_DAY)
    days, months, weekdays = _days_of(cron)
    if days is not None and weekdays is not None and not sim.day_and:  # cron means either, systemd both
        days = weekdays = None
    week = "" if weekdays is None else ",".join(_DAYS[d] for d in sorted(weekdays)) + " "

    def two(numbers: set[int] | None, size: int = 0) -> str:
        return "*" if numbers is None or len(numbers) == size else ",".join(f"{n:02d}" for n in sorted(numbers))

    return f"{week}*-{two(months)}-{two(days)} {two(sim.hours, 24)}:{two(sim.minutes, 60)}:00 {timezone}"


# ---- cron


def _one_line(text: str, what: str) -> str:
    "Raises SchedulerError for text that no line can hold."
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise SchedulerError(f"{what} cannot hold line breaks or control characters; rename {text!r}.")
    return text


def _for_cron(argument: str) -> str:
    "A word for the shell, within a line of a crontab, where % means a line break unless a backslash stands before it."
    if "%" not in argument:
        return shlex.quote(argument)
    return "'" + argument.replace("'", "'\"'\"'").replace("%", "'\\%'") + "'"


def crontab(
    schedule: Schedule,
    command: Sequence[str],  # one argument each
    folder: str,  # where it is called, and settings.ini is looked for
    log: str,  # file that takes what it says
    zone: tzinfo = UTC,  # of the machine
) -> str:
    """A comment and a line for `crontab -e`.

    It asks every hour, at the minutes at which something can be due, and not only at the due times: so a machine that slept catches up
    within an hour, and cron need not know the schedule's time zone.
    """
    words = " ".join(_for_cron(_one_line(a, "a crontab")) for a in command)
    where, told = (_for_cron(_one_line(a, "a crontab")) for a in (folder, log))
    about = f"# pilot {schedule.pilot}: due at {schedule.cron} ({schedule.timezone}); asked every hour, run when due"
    return f"{about}\n{asked(schedule.cron, schedule.timezone, zone, hourly=True)} cd {where} && {words} >> {told} 2>&1\n"


# ---- systemd


def _for_unit(argument: str) -> str:
    "A word of ExecStart."
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def systemd(schedule: Schedule, command: Sequence[str], folder: str) -> dict[str, str]:  # file name → text
    "A service and a timer that catches up after sleep and at boot (Persistent)."
    name, about = f"p2p-{schedule.pilot}", f"pilot {schedule.pilot}"
    words = [_one_line(a, "a unit file") for a in command]
    where = _one_line(folder, "a unit file").replace("%", "%%")
    service = (
        f"[Unit]\nDescription=Judge {about}, if it is due\n\n[Service]\nType=oneshot\n"
        f"WorkingDirectory={where}\nExecStart={' '.join(map(_for_unit, words))}\n"
    )
    timer = (
        f"[Unit]\nDescription=Ask whether {about} is due\n\n[Timer]\n"
        f"OnCalendar={calendar(schedule.cron, schedule.timezone)}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
    )
    return {f"{name}.service": service, f"{name}.timer": timer}


# ---- GitHub Actions


def _for_github(text: str) -> str:
    "Text in which GitHub finds no expression of its own."
    return text.replace("${{", "${{ '${{' }}")


def option_words(options: Any) -> list[str]:
    "Options of `p2p run` as its command line takes them."
    words = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif isinstance(value, list | tuple):
            words += [flag, ",".join(map(str, value))]
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return words


def workflow(
    schedule: Schedule,
    pilot: str,  # its folder, relative to the repository's top
    *,
    package: str = "pilot-to-prod",  # what pip installs
    python: str = "3.11",
) -> str:
    """A workflow of GitHub Actions, as YAML.

    GitHub's cron knows UTC only, so a zone with summer time is asked at both of its hours, and runs at the one that is due. No two runs
    of a pilot overlap (concurrency). The runs folder is kept between runs in the cache, or at the URL in the secret P2P_RUNS_FOLDER.
    """
    name, words = schedule.pilot, " ".join(map(shlex.quote, option_words(schedule.options)))
    with_options = f" {words}" if words else ""
    always, key = "${{ !cancelled() }}", f"p2p-runs-{name}."
    keep = (
        f'p2p schedule "$PILOT" --cron "$CRON" --timezone "$TIMEZONE" --made "$MADE" --grace "$GRACE"{with_options} >/dev/null'
    )
    go = f'if [ "$GITHUB_EVENT_NAME" = schedule ]; then p2p run "$PILOT" --due; else p2p run "$PILOT"{with_options}; fi'
    install = f"if [ -f requirements.txt ]; then python -m pip install -r requirements.txt; fi\npython -m pip install {shlex.quote(package)}\n"
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v4"},
        {"uses": "actions/setup-python@v5", "with": {"python-version": python}},
        {
            "name": "Packages that were downloaded before",
            "uses": "actions/cache@v4",
            "with": {"path": "~/.cache/pip", "key": f"p2p-pip-{name}.${{{{ hashFiles('requirements.txt') }}}}"},
        },
        {"name": "Install", "run": _for_github(install)},
        {
            "name": "Runs so far",
            "uses": "actions/cache/restore@v4",
            "with": {"path": "runs", "key": f"{key}${{{{ github.run_id }}}}", "restore-keys": key},
        },
        {"name": "Judge the pilot, if it is due", "run": _for_github(f"{keep}\n{go}\n")},
        {
            "name": "Keep the runs",
            "if": always,
            "uses": "actions/cache/save@v4",
            "with": {"path": "runs", "key": f"{key}${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}"},
        },
        {
            "name": "Cards and notebooks",
            "if": always,
            "uses": "actions/upload-artifact@v4",
            "with": {"name": f"p2p-{name}", "path": f"runs/{name}", "if-no-files-found": "ignore", "overwrite": True},
        },
    ]
    made = {
        "name": f"pilot {name}",
        "on": {"schedule": [{"cron": asked(schedule.cron, schedule.timezone)}], "workflow_dispatch": {}},
        "permissions": {"contents": "read"},
        "concurrency": {"group": f"p2p-{name}", "cancel-in-progress": False},
        "jobs": {
            "judge": {
                "runs-on": "ubuntu-latest",
                "env": {
                    "PILOT": _for_github(pilot),
                    "CRON": schedule.cron,
                    "TIMEZONE": schedule.timezone,
                    "MADE": schedule.made.astimezone(UTC).isoformat(timespec="seconds"),
                    "GRACE": str(schedule.grace),
                    "P2P_RUNS_FOLDER": "${{ secrets.P2P_RUNS_FOLDER || 'runs' }}",
                },
                "steps": steps,
            }
        },
    }
    return _yaml(made)


def _yaml(value: Any) -> str:
    "YAML with several lines of a script as they stand."
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import LiteralScalarString

    def scripts(v: Any) -> Any:
        if isinstance(v, dict):
            return {k: LiteralScalarString(x) if k == "run" else scripts(x) for k, x in v.items()}
        return [scripts(x) for x in v] if isinstance(v, list) else v

    out, writer = StringIO(), YAML()
    writer.width = 10_000
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(scripts(value), out)
    return out.getvalue()


# ---- jupyter-scheduler


def driver(pilot: str, runs: str, folder: str) -> dict[str, Any]:
    "A notebook that runs a pilot if it is due, and shows its card."
    source = (
        "import os\n\nfrom pilot_to_prod.card import Scorecard\nfrom pilot_to_prod.runs.schedule import run_due\n\n"
        f"os.chdir({folder!r})\ndone = run_due({pilot!r}, {runs!r})\n"
        'Scorecard.load(done / "scorecard.json") if done else None'
    )
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "metadata": {}, "source": "Written by `p2p schedule`. It runs the pilot if it is due."},
        {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "execution_count": None},
    ]
    for i, cell in enumerate(cells):
        cell["id"] = f"p2p-{i}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    "A redirect would carry the token elsewhere."

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class JupyterServer:
    "The job definitions of one Jupyter server with jupyter-scheduler. Errors are SchedulerError, with what to do."

    def __init__(self, url: str, token: str, timeout: float = 30) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SchedulerError(f"{url!r} is no address of a Jupyter server, such as http://localhost:8888.")
        self.url = urllib.parse.urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
        self.token, self.timeout = token, timeout
        here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        handlers: list[Any] = [_NoRedirect, *([urllib.request.ProxyHandler({})] if here else [])]
        self._open = urllib.request.build_opener(*handlers).open

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        "One call of the REST API; its JSON, or None where it says nothing."
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        call = urllib.request.Request(f"{self.url}/{path}", data=data, method=method, headers=headers)
        try:
            with self._open(call, timeout=self.timeout) as answer:
                said = answer.read()
        except urllib.error.HTTPError as e:
            with e:
                raise SchedulerError(self._refused(e.code, path, e.read())) from None
        except (urllib.error.URLError, OSError) as e:
            why = getattr(e, "reason", e)
            raise SchedulerError(
                f"{self.url}: no server answers ({why}). Start it (jupyter lab), or correct the address."
            ) from None
        try:
            return json.loads(said) if said else None
        except ValueError:
            raise SchedulerError(f"{self.url}/{path}: this is no answer of a Jupyter server. Correct the address.") from None

    def _refused(self, code: int, path: str, body: bytes) -> str:
        if code in (301, 302, 303, 307, 308, 401, 403):
            return f"{self.url}: the server does not accept the token (HTTP {code}). It is listed by: jupyter server list"
        if code == 404 and path.startswith("scheduler/"):
            return (
                f"{self.url}: this server has no jupyter-scheduler. Where it runs: pip install 'pilot-to-prod[schedule]', "
                "then start it again."
            )
        try:
            says = json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            says = body[:200].decode(errors="replace")
        return f"{self.url}/{path}: the server refused (HTTP {code}): {says}"

    def definitions(self, name: str) -> list[dict[str, Any]]:
        "Job definitions of exactly this name, whatever page they are on."
        found: list[dict[str, Any]] = []
        token = None
        while True:
            query = {"name": name, "max_items": 1000} | ({"next_token": token} if token else {})
            page = self.ask("GET", f"scheduler/job_definitions?{urllib.parse.urlencode(query)}")
            found += [d for d in page["job_definitions"] if d["name"] == name]
            token = page.get("next_token")
            if not token:
                return found

    def _put(self, folder: str, file: str, notebook: dict[str, Any]) -> str:
        "A notebook in a folder below the server's root; its path there."
        path = ""
        for part in [p for p in folder.split("/") if p]:
            path = f"{path}/{part}" if path else part
            self.ask("PUT", f"api/contents/{urllib.parse.quote(path)}", {"type": "directory"})
        path = f"{path}/{file}" if path else file
        self.ask("PUT", f"api/contents/{urllib.parse.quote(path)}", {"type": "notebook", "format": "json", "content": notebook})
        return path

    def register(self, schedule: Schedule, notebook: dict[str, Any], folder: str = "p2p") -> str:  # id of the definition
        """Have a notebook executed on schedule: a new job definition, or the one of this pilot brought up to date.

        The server keeps a copy, and takes a new one only under a new name: so the name holds a hash of the content.
        """
        name = f"p2p {schedule.pilot}"
        there = self.definitions(name)
        path = self._put(folder, f"p2p-{schedule.pilot}-{hash_json(notebook)[:8]}.ipynb", notebook)
        asks = {"input_uri": path, "schedule": schedule.cron, "timezone": schedule.timezone}
        for extra in there[1:]:
            self.ask("DELETE", f"scheduler/job_definitions/{extra['job_definition_id']}")
        if there:
            found: str = there[0]["job_definition_id"]
            self.ask("PATCH", f"scheduler/job_definitions/{found}", asks | {"active": True})
            return found
        environments = self.ask("GET", "scheduler/runtime_environments")
        if not environments:
            raise SchedulerError(f"{self.url}: jupyter-scheduler knows no environment to run notebooks in.")
        made: str = self.ask(
            "POST",
            "scheduler/job_definitions",
            asks | {"name": name, "runtime_environment_name": environments[0]["name"], "output_formats": ["ipynb", "html"]},
        )["job_definition_id"]
        return made

    def remove(self, pilot: str, folder: str = "p2p") -> int:  # how many definitions there were
        "Remove the job definitions of a pilot, and the notebooks that were written for them."
        there = self.definitions(f"p2p {pilot}")
        for found in there:
            self.ask("DELETE", f"scheduler/job_definitions/{found['job_definition_id']}")
            path = "/".join([*[p for p in folder.split("/") if p], found["input_filename"]])
            try:
                self.ask("DELETE", f"api/contents/{urllib.parse.quote(path)}")
            except SchedulerError as e:
                if "HTTP 404" not in str(e):
                    raise
        return len(there)
