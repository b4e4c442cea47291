"""A folder at an fsspec URL, copied to this machine once."""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

import fsspec


def fetch_folder(
    url: str,  # of a folder, such as s3://bucket/pilots/feedback
    cache: Path | None = None,  # folder of copies; None: that of this user, or P2P_CACHE
) -> Path:
    """The copy of a folder: made anew when a file of it has changed, shared by all processes.

    Raises FileNotFoundError when nothing is there, ValueError when the URL cannot be read or a name in it leads elsewhere.
    """
    try:
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
        found = {str(PurePosixPath(p).relative_to(root.rstrip("/"))): str(fs.checksum(p)) for p in sorted(fs.find(root))}
    except (ImportError, NotImplementedError, ValueError) as e:
        raise ValueError(f"{url}: cannot be read: {e}") from None
    except FileNotFoundError:
        found = {}
    if not found:
        raise FileNotFoundError(f"{url}: there is no such folder, or nothing in it.")
    if strange := [n for n in found if ".." in PurePosixPath(n).parts or PurePosixPath(n).is_absolute()]:
        raise ValueError(f"{url}: the name {strange[0]!r} leads out of the folder.")
    name = hashlib.sha256(json.dumps([fs.unstrip_protocol(root.rstrip("/")), found]).encode()).hexdigest()[:16]
    folder = (cache or _cache()) / name / PurePosixPath(root).name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as scratch:
            aside = Path(scratch) / "copy"
            for file in found:
                (aside / file).parent.mkdir(parents=True, exist_ok=True)
                with fs.open(f"{root.rstrip('/')}/{file}", "rb") as source, (aside / file).open("wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
            try:
                aside.rename(folder)
            except OSError:  # another process was first
                if not folder.is_dir():
                    raise
    return folder


def _cache() -> Path:
    import pooch

    return Path(os.environ.get("P2P_CACHE") or pooch.os_cache("pilot_to_prod")) / "pilots"
