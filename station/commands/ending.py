"""How a command line ends: its exit code, and a foreseen failure in one line on stderr."""

import sys
from collections.abc import Sequence

import typer

from ml.errors import CancelledError, LoupeError, ParameterError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def carry_out(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Carry out one command line and give its exit code; a foreseen failure is told in one line on stderr."""
    try:
        return app(list(arguments), prog_name="loupe", standalone_mode=False) or 0
    except CancelledError:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # whoever read our output is gone: nobody is left to tell
        return EXIT_FAILED
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "loupe"
        text, code = f"{_sentence(error.format_message())} See {command} --help.", error.exit_code
    except LoupeError as error:
        command, text = "loupe", str(error)
        code = EXIT_USAGE if isinstance(error, ParameterError) else EXIT_FAILED
    except MemoryError:
        command, code = "loupe", EXIT_FAILED
        text = "Out of memory. Close other programs, or use a smaller size or fewer pictures."
    except OSError as error:
        command, code = "loupe", EXIT_FAILED
        text = f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}."
    print(f"{command}: {one_line(text)}", file=sys.stderr)
    return code


def _sentence(message: str) -> str:
    """What the parser says, which lists choices one a line and without a full stop."""
    text = message.replace("Value error, ", "").replace("\n\t", " ")
    return text if text.endswith((".", "?", "!")) else f"{text}."


def one_line(text: str) -> str:
    """The text with line breaks, control characters and what no encoding has written out: file names may hold them."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
