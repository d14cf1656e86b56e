"""Push an exported folder to a hub, only when somebody asks for it by name: a model that is online stays copied."""

import os
from pathlib import Path

from utils.runs import UserError, read_json
from utils.serving.export import EXPORT, hashes

CARDS = ("README.md", "DATA_CARD.md")


def push(folder: Path, repo: str, token: str | None = None, private: bool = True) -> str:
    """Upload an exported folder to the repository `repo` (OWNER/NAME) by huggingface_hub; returns the address of the commit.

    The repository is made private unless told otherwise, and left as it is where it exists. The token is `token`, or the one
    that huggingface_hub finds (HF_TOKEN, `hf auth login`); HF_ENDPOINT names another hub. Raises UserError for a folder that
    is not as it was exported, and for everything that the hub or the network refuses.
    """
    from huggingface_hub import HfApi, get_token

    folder = Path(folder)
    names = _sound(folder)
    token = token or get_token()
    if not token:
        raise UserError("there is no token for the hub; make one that may write on the hub's settings page, then set HF_TOKEN or run: hf auth login")
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token)
    return _told(api.endpoint, repo, lambda: _upload(api, folder, names, repo, private))


def _sound(folder: Path) -> list[str]:
    """The files to upload: those that the export wrote, unchanged, and the cards; raises UserError for any other or missing one."""
    if not (folder / EXPORT).exists():
        raise UserError(f"{folder} is no exported model (no {EXPORT}); write one with: python -m utils export --out {folder}")
    noted = read_json(folder / EXPORT).get("sha256", {})
    found = {name: value for name, value in hashes(folder).items() if name not in CARDS}
    for name in sorted(noted.keys() | found.keys()):
        if noted.get(name) != found.get(name):
            what = "is missing" if name not in found else "was not exported" if name not in noted else "was changed since"
            raise UserError(f"{folder / name} {what}; export the model again, so that what goes online is what was tested")
    if not (folder / CARDS[0]).exists():
        raise UserError(
            f"{folder} has no model card ({CARDS[0]}), which tells licences and limits; write it with: python -m utils export --out {folder}"
        )
    return [EXPORT, *found, *(name for name in CARDS if (folder / name).exists())]


def _upload(api, folder: Path, names: list[str], repo: str, private: bool) -> str:
    made = api.create_repo(repo, private=private, exist_ok=True)
    return str(
        api.upload_folder(repo_id=made.repo_id, folder_path=folder, allow_patterns=names, commit_message="Exported model with its cards").commit_url
    )


def _told(endpoint: str, repo: str, act) -> str:
    """Run `act`; everything that can go wrong outside becomes one sentence."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        return act()
    except HFValidationError as error:
        raise UserError(f"{repo!r} is no repository's name; use OWNER/NAME of letters, digits, '-', '_' and '.'") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise UserError(f"the hub refused the token for {repo} ({status}); give one that may write there, see the hub's settings page") from error
        said = (error.server_message or "no reason given").splitlines()[0]
        raise UserError(f"the hub answered {status} for {repo} ({said}); mend that or try again later: files already there are kept") from error
    except OfflineModeIsEnabled as error:
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be pushed; unset it and push again") from error
    except Exception as error:
        said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        # The client's HTTP library changes with its version; the name of this base class has not.
        if isinstance(error, ConnectionError) or any(base.__name__ == "TransportError" for base in type(error).__mro__):
            raise UserError(f"the hub at {endpoint} cannot be reached ({said}); connect to a network and push again") from error
        if isinstance(error, (RuntimeError, ValueError, OSError)):  # an upload that broke half-way, as the client tells it
            raise UserError(f"the upload to {repo} stopped ({said}); push again: files already there are kept") from error
        raise
