"""How a judgement looks: a compact card in a notebook, plain text in a terminal.

Each thing that is shown has three forms: text for terminals, HTML for notebooks, and
LaTeX, in words alone, for what nbconvert makes a PDF of.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np

from autograder.judging import Judgement, Verdict

MARKS = {"right": "✓", "wrong": "✗", "crashed": "!", "skipped": "–", "open": "○"}
SPOKEN = {
    "right": "right",
    "wrong": "not yet",
    "crashed": "could not be checked",
    "skipped": "waits",
    "open": "not written yet",
}
MOST_WRONG = 4  # that get a line of their own

# The hosts' own colours where they name them: JupyterLab, VS Code, Colab. What marks
# right and wrong can be read on light and dark; known dark pages get lighter tints.
STYLE = """<style>
.ag{--ag-right:#1b8a5a;--ag-wrong:#d1495b;--ag-hint:#3d6fb6;--ag-quiet:#8a8f98;
font-family:system-ui,sans-serif;font-size:14px;line-height:1.45;max-width:46em;
border-left:4px solid var(--ag);padding:.3em 0 .3em .9em;margin:.4em 0;
background:transparent;overflow-wrap:anywhere;color:var(--jp-content-font-color1,
var(--vscode-editor-foreground,var(--colab-primary-text-color,inherit)))}
[data-jp-theme-light="false"] .ag,.vscode-dark .ag,.vscode-high-contrast .ag,
[theme="dark"] .ag{--ag-right:#4cc38a;--ag-wrong:#ff8b94;--ag-hint:#7aa7ea}
@media (prefers-color-scheme:dark){
html:not([theme]) body:not([data-jp-theme-light],[data-vscode-theme-kind]) .ag{
--ag-right:#2f9e6b;--ag-wrong:#e0566a;--ag-hint:#5a8fdc}}
.ag p{margin:.15em 0}
.ag ul{list-style:none!important;margin:.35em 0!important;padding:0!important}
.ag li{margin:.1em 0;padding-left:1.5em;text-indent:-1.5em}
.ag .m{display:inline-block;width:1.5em;text-indent:0;font-weight:700}
.ag .right .m{color:var(--ag-right)}.ag .wrong .m,.ag .crashed .m{color:var(--ag-wrong)}
.ag small{font-size:.92em}.ag li small{display:block;text-indent:0}
.ag img{display:block;max-width:100%;margin:.5em 0;background:transparent}
.ag .w{overflow-x:auto}.ag .w img{min-width:31em}
.ag code{background:rgba(127,127,127,.18);padding:0 .25em;border-radius:3px;
color:inherit}
</style>"""
GREEN, RED, GREY = "#1b8a5a", "#d1495b", "#8a8f98"


@dataclass(frozen=True)
class Picture:
    """The expected and the student's own numbers of one failed check."""

    title: str
    expected: np.ndarray
    own: np.ndarray

    @cached_property
    def png(self) -> bytes:
        from autograder.student.figures import compare_matrices

        return compare_matrices(self.expected, self.own, title=self.title, clear=True)

    @property
    def alt(self) -> str:
        from autograder.student.figures import alt_text

        return alt_text(self.expected, self.own)

    def html(self) -> str:
        # On a phone it can be moved sideways, rather than shrink to nothing.
        try:
            return f'<div class="w" tabindex="0">{_image(self.png, self.alt)}</div>'
        except Exception:  # matplotlib is the notebook's, and may be out of order
            return f"<p>{escape(self.alt)}</p>"


@dataclass(frozen=True)
class Reward:
    """Rosettes, one per exercise that is right, from the student's own numbers."""

    arrays: Mapping[str, np.ndarray]

    @cached_property
    def png(self) -> bytes:
        from autograder.student.figures import rosettes

        return rosettes(list(self.arrays.values()))

    @property
    def alt(self) -> str:
        names = " and ".join(self.arrays)
        return f"Rosettes drawn from the numbers that your {names} gave."

    def html(self) -> str:
        try:
            return _image(self.png, self.alt, style="height:72px")
        except Exception:
            return ""


class Shown:
    """What is the same for all that is shown: HTML and LaTeX of a few lines."""

    def _repr_latex_(self) -> str:
        first, *others = repr(self).splitlines()
        lines = [rf"\textbf{{{_latex(first)}}}", *map(_latex, others)]
        # Braces, lest the next line's “[” be read as the break's argument.
        text = "\\\\{}\n".join(lines)
        return f"\\begin{{quote}}\\raggedright\n{text}\n\\end{{quote}}"


@dataclass(frozen=True)
class Notice(Shown):
    """One friendly sentence."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return _card("quiet", f"<p>{_prose(self.text)}</p>")


@dataclass(frozen=True)
class HintCard(Shown):
    """One numbered hint."""

    exercise: str
    number: int
    total: int
    text: str

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.total}, {self.exercise}: {self.text}"

    def _repr_html_(self) -> str:
        head = f"<b>Hint {self.number} of {self.total}</b> · {escape(self.exercise)}"
        return _card("hint", f"<p>{head}</p><p>{_prose(self.text)}</p>")


@dataclass(frozen=True)
class Report(Shown):
    """What a check found. The notebook shows it as a card, a terminal as text."""

    judgement: Judgement
    picture: Picture | None = None
    rule: str = ""
    """The rule that was broken, in words: a ready-made part was used."""
    reward: Reward | None = None
    next: str = ""
    """What to do when all is right."""

    @property
    def passed(self) -> bool:
        return self.judgement.passed and not self.rule

    @property
    def score(self) -> float:
        return self.judgement.score

    @property
    def attempted(self) -> bool:
        return self.judgement.verdicts[0].passed

    def __repr__(self) -> str:
        lines = [self.headline, *([f"  ! {self.rule}"] if self.rule else [])]
        for state, text, told in self._lines:
            lines.append(f"  {MARKS[state]} {text}" + (f": {told}" if told else ""))
        if self.judgement.advice:
            lines.append(f"  Why: {self.judgement.advice}")
        if self.picture:
            lines.append(f"  {self.picture.alt}")
        if not self.passed and self.judgement.exercise.hints:
            lines.append(f'  Stuck? hint("{self.judgement.exercise.id}")')
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        color = "right" if self.passed else "wrong" if self.attempted else "quiet"
        body = [f"<p><b>{_prose(self.headline)}</b></p>"]
        if self.rule:
            body.append(f"<p>⚠ {_prose(self.rule)}</p>")
        body += ["<ul>", *(_item(*line) for line in self._lines), "</ul>"]
        if self.judgement.advice:
            body.append(f"<p><b>Why:</b> {_prose(self.judgement.advice)}</p>")
        for image in (self.picture, self.reward):
            body.append(image.html() if image else "")
        if not self.passed and self.judgement.exercise.hints:
            call = f'hint("{escape(self.judgement.exercise.id)}")'
            body.append(f"<p><small>Stuck? <code>{call}</code></small></p>")
        return _card(color, "".join(body))

    @property
    def _listed(self) -> list[Verdict]:
        """The checks worth naming: `attempted` only where it is the news."""
        verdicts = self.judgement.verdicts
        return verdicts[1:] if self.attempted else verdicts[:1]

    @property
    def _lines(self) -> list[tuple[str, str, str]]:
        """Each line's state, text, and explanation: what is wrong first, six at most.

        What raised the same error shares a line; so do what is right, and what waits.
        """
        if not self.attempted and not _raised(self.judgement.verdicts[0]):
            return []  # the headline says it all
        groups: dict[tuple, list[Verdict]] = {}
        for verdict in self._listed:
            groups.setdefault(_kin(verdict), []).append(verdict)
        lines = [
            (_state(alike[0]), _titles(alike), self._told(alike[0]))
            for alike in groups.values()
        ]
        wrong = [line for line in lines if line[0] in ("wrong", "crashed")]
        if len(wrong) > MOST_WRONG:
            others = " · ".join(title for _, title, _ in wrong[MOST_WRONG - 1 :])
            wrong[MOST_WRONG - 1 :] = [("wrong", others, "")]
        return wrong + [line for line in lines if line[0] in ("right", "skipped")][:3]

    def _told(self, verdict: Verdict) -> str:
        """What is said of a check beside its title."""
        if verdict.passed:
            return ""
        if verdict.skipped:
            passed = {v.check.id for v in self.judgement.verdicts if v.passed}
            need = next(id for id in verdict.check.requires if id not in passed)
            every = {v.check.id: v.check.title for v in self.judgement.verdicts}
            return f"waiting for “{every[need]}”."
        if _raised(verdict):
            # Nothing is known of what the check looks for.
            return next(f.message for f in verdict.findings if not f.passed)
        return verdict.message

    @property
    def headline(self) -> str:
        """What to do next, in one line."""
        exercise, count = self.judgement.exercise, len(self._listed)
        if not self.attempted:
            mend = _mend(self.judgement.verdicts[0])
            if mend:
                return f"{exercise.id}: could not be checked. {mend}"
            reason = self.judgement.verdicts[0].message.removeprefix("Not written yet.")
            if reason.strip():
                return f"{exercise.id}: {reason.strip()}"
            return f"{exercise.id}: not written yet. Fill the cell above, then check."
        if self.passed:
            told = f"{exercise.id}: all {count} checks pass. Well done! {self.next}"
            return told.rstrip()
        right = sum(verdict.passed for verdict in self._listed)
        if self.judgement.passed:
            return f"{exercise.id}: the numbers are right, by a part that is not yours."
        first = next(v for v in self._listed if not v.passed)
        told = f"{exercise.id}: {right} of {count} checks pass. "
        return told + (_mend(first) or f"Next: {first.check.title}.")


def _mend(verdict: Verdict) -> str:
    """Says where the code must be mended before it can be checked; may be empty."""
    raised = _raised(verdict)
    if raised is None:
        return ""
    if raised["type"] == "NotImplementedError":
        return f"Next: write what is still open, for {verdict.check.title}."
    place = f"line {raised['lines'][-1][1]}" if raised["lines"] else "your code"
    return f"Next: mend {place}, which raises {raised['type']}."


def _raised(verdict: Verdict) -> Mapping | None:
    """Returns the exception for which a check could not be made."""
    wrong = next((f for f in verdict.findings if not f.passed), None)
    return wrong.raised if wrong else None


def _state(verdict: Verdict) -> str:
    if verdict.passed:
        return "right"
    if verdict.skipped:
        return "skipped"
    if _raised(verdict):
        return "crashed"
    return "open" if verdict.check.id == "attempted" else "wrong"


def _kin(verdict: Verdict) -> tuple:
    """Returns what verdicts have in common that share a line."""
    state, raised = _state(verdict), _raised(verdict)
    if raised:
        return state, raised["type"], *map(str, raised["lines"][-1:])
    return (state,) if state in ("right", "skipped") else (state, verdict.check.id)


def _titles(verdicts: list[Verdict]) -> str:
    if len(verdicts) > 3 and verdicts[0].skipped:
        return f"{len(verdicts)} more checks"
    return " · ".join(verdict.check.title for verdict in verdicts)


def _item(state: str, text: str, told: str) -> str:
    more = f" <small>{_prose(told)}</small>" if told else ""
    mark = (
        f'<span class="m" role="img" aria-label="{SPOKEN[state]}:">'
        f"{MARKS[state]}</span>"
    )
    return f'<li class="{state}">{mark}{escape(text)}{more}</li>'


def _prose(text: str) -> str:
    """Returns text as HTML, `code` marked; everything else is inert."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def _image(png: bytes, alt: str, style: str = "") -> str:
    data = base64.b64encode(png).decode()
    source = f"data:image/png;base64,{data}"
    return f'<img style="{style}" alt="{escape(alt)}" src="{source}">'


def _card(color: str, body: str) -> str:
    line = f"--ag:var(--ag-{color})"
    return f'{STYLE}<div class="ag" style="{line}" role="status">{body}</div>'


# What LaTeX reads as a command, and what its usual fonts have no sign for.
_LATEX = {
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
    **{
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    },
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": "'"},
    **{"✓": "[right]", "✗": "[not yet]", "○": "[open]", "–": "--"},
    **{"√": r"\(\surd\)", "ᵀ": r"\(^T\)", "·": r"\(\cdot\)", "×": r"\(\times\)"},
    **{"→": r"\(\to\)", "≤": r"\(\le\)", "≥": r"\(\ge\)", "∞": r"\(\infty\)"},
    **{"−": r"\(-\)", "…": r"\dots{}"},
}


def _latex(line: str) -> str:
    """Returns a line of text as LaTeX; control characters are left out."""
    return "".join(_LATEX.get(c, c) for c in line.strip() if c.isprintable())
