"""How a notice leaves: one POST of JSON to a URL that the environment names, and Markdown at the end of a file. The URL is never told."""

import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VARIABLE = "P2P_WEBHOOK_URL"  # where a promise names no other
SECRET = "P2P_WEBHOOK_SECRET"  # of the signature
SUMMARY = "GITHUB_STEP_SUMMARY"
SIGNATURE = "X-P2P-Signature"
TIMEOUT = 10.0  # seconds for all of one delivery, finding the host included
TRIES = 3  # of one delivery in one call
PAUSES = 0.2, 1.0  # seconds before the second try and the third
HERE = "localhost", "127.0.0.1", "::1"


class Undelivered(RuntimeError):
    "A delivery that failed. It says why in words that hold neither the URL nor anything that came back."

    def __init__(
        self,
        why: str,
        *,
        again: bool = False,  # whether another try at once may help
        down: bool = True,  # whether the receiver will take no other notice now
    ) -> None:
        super().__init__(why)
        self.again, self.down = again, down


def url_of(variable: str, environ: Mapping[str, str]) -> str:
    "The URL that an environment variable holds. Raises Undelivered where there is none, or one that is not safe."
    url = environ.get(variable, "").strip()
    if not url:
        raise Undelivered(f"the environment variable {variable} is not set")
    try:
        parts = urlsplit(url)
        host, port, user = parts.hostname, parts.port, parts.username
    except ValueError:
        host, port, user = None, None, None
    if not host or port == 0 or not url.isascii() or not url.isprintable() or " " in url:
        raise Undelivered(f"{variable} holds no URL")
    if user is not None:
        raise Undelivered(f"the URL in {variable} holds a user name: give one without")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in HERE):
        raise Undelivered(f"the URL in {variable} must begin with https:// (http:// only for this machine)")
    return url


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    "A redirected POST would become a GET without the notice, or hand it to another host."

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(url: str) -> urllib.request.OpenerDirector:
    "http and https, the proxies of the environment but for this machine, no redirects, and no other scheme."
    made = urllib.request.OpenerDirector()
    proxies = urllib.request.ProxyHandler({} if urlsplit(url).hostname in HERE else None)
    for handler in (
        proxies,
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _NoRedirect(),
    ):
        made.add_handler(handler)
    return made


def _why(error: BaseException, timeout: float) -> Undelivered:
    "A failure in our words: those of the library may hold the URL."
    if isinstance(error, urllib.error.HTTPError):
        code = error.code
        if 300 <= code < 400:
            return Undelivered(f"the receiver answered {code}, a redirect, which is not followed: give the URL where it ends")
        return Undelivered(
            f"the receiver answered {code}", again=code >= 500, down=code >= 500 or code in (401, 403, 404, 410, 429)
        )
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return _why(error.reason, timeout)
    if isinstance(error, TimeoutError):
        return _late(timeout)
    if isinstance(error, ssl.SSLError):
        return Undelivered("no secure connection: its certificate was not accepted, or it speaks no TLS")
    if isinstance(error, socket.gaierror):
        return Undelivered("the name of the host was not found", again=True)
    if isinstance(error, ConnectionRefusedError):
        return Undelivered("the connection was refused", again=True)
    if isinstance(error, ConnectionError | http.client.HTTPException):
        return Undelivered("the connection was closed without an answer", again=True)
    return Undelivered(f"it could not be sent ({type(error).__name__})")


def _late(timeout: float) -> Undelivered:
    return Undelivered(f"no answer within {timeout:g} seconds")


def post(
    variable: str,  # names the environment variable with the URL
    payload: Mapping[str, Any],
    *,
    environ: Mapping[str, str] = os.environ,
    timeout: float = TIMEOUT,  # seconds
) -> None:
    "Send JSON, signed where P2P_WEBHOOK_SECRET is set. Raises Undelivered unless the receiver answers 2xx in time."
    url = url_of(variable, environ)
    body = json.dumps(payload, ensure_ascii=False, sort_keys=True).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "pilot-to-prod"}
    if secret := environ.get(SECRET):
        headers[SIGNATURE] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    failed: list[Undelivered] = []

    def send() -> None:
        try:
            asked = urllib.request.Request(url, data=body, headers=headers, method="POST")
            with _opener(url).open(asked, timeout=timeout):
                pass
        except urllib.error.HTTPError as e:
            e.close()
            failed.append(_why(e, timeout))
        except Exception as e:  # noqa: BLE001 - whatever goes wrong, the text of the library's error is not for anybody's log
            failed.append(_why(e, timeout))

    # a socket's time limit holds for one read: a receiver that drips, or a name server that hangs, would outlast it
    sending = threading.Thread(target=send, name="p2p-webhook", daemon=True)
    sending.start()
    sending.join(timeout)
    if sending.is_alive():
        raise _late(timeout)
    if failed:
        raise failed[0]


def deliver(
    send: Callable[[], None],
    *,
    tries: int = TRIES,
    wait: Callable[[float], None] = time.sleep,
) -> tuple[int, Undelivered | None]:  # how often it was tried; why the last time failed, None: it is delivered
    "Try until it is delivered, or no other try at once can help. Raises nothing but an interrupt."
    for n in range(1, tries + 1):
        try:
            send()
            return n, None
        except Undelivered as e:
            failed = e
        except Exception as e:  # noqa: BLE001 - a sender of somebody's own; its text may hold the URL
            failed = Undelivered(f"it could not be sent ({type(e).__name__})", again=True)
        if not failed.again or n == tries:
            break
        wait(PAUSES[min(n, len(PAUSES)) - 1])
    return n, failed


def append_summary(markdown: str, environ: Mapping[str, str]) -> None:
    "Add to the summary of a job of GitHub Actions. Raises Undelivered."
    try:
        with Path(environ[SUMMARY]).open("a", encoding="utf-8") as out:
            out.write(markdown + "\n\n")
    except OSError as e:
        raise Undelivered(f"the file that {SUMMARY} names cannot be written ({e.strerror or type(e).__name__})") from None
