"""How a judgement looks: a compact card in a notebook, plain text in a terminal."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np

from autograder.judging import Judgement, Verdict

MARKS = {"right": "✓", "wrong": "✗", "skipped": "–", "open": "○"}
SPOKEN = {
    "right": "right",
    "wrong": "wrong",
    "skipped": "not judged yet",
    "open": "not written yet",
}

STYLE = """<style>
.ag{font-family:system-ui,sans-serif;font-size:14px;line-height:1.45;max-width:46em;
border-left:4px solid var(--ag);padding:.3em 0 .3em .9em;margin:.4em 0;color:inherit}
.ag p{margin:.15em 0}.ag ul{list-style:none;margin:.35em 0;padding:0}
.ag li{margin:.1em 0;padding-left:1.5em;text-indent:-1.5em}
.ag .m{display:inline-block;width:1.5em;text-indent:0;font-weight:700}
.ag .right .m{color:#1b8a5a}.ag .wrong .m{color:#d1495b}
.ag .skipped,.ag .open{opacity:.65}.ag small{opacity:.8}
.ag img{max-width:100%;margin:.4em 0;border-radius:4px}
.ag summary{cursor:pointer}.ag code{background:rgba(127,127,127,.15);padding:0 .25em;
border-radius:3px;color:inherit}
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

        return compare_matrices(self.expected, self.own, title=self.title)

    def html(self) -> str:
        from autograder.student.figures import alt_text

        data = base64.b64encode(self.png).decode()
        alt = escape(alt_text(self.expected, self.own), quote=True)
        return f'<img alt="{alt}" src="data:image/png;base64,{data}">'


@dataclass(frozen=True)
class Notice:
    """One friendly sentence."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return _card(GREY, f"<p>{_prose(self.text)}</p>")


@dataclass(frozen=True)
class HintCard:
    """One numbered hint."""

    exercise: str
    number: int
    total: int
    text: str

    def __repr__(self) -> str:
        return f"Hint {self.number} of {self.total}, {self.exercise}: {self.text}"

    def _repr_html_(self) -> str:
        head = f"<b>Hint {self.number} of {self.total}</b> · {escape(self.exercise)}"
        return _card("#3d6fb6", f"<p>{head}</p><p>{_prose(self.text)}</p>")


@dataclass(frozen=True)
class Report:
    """What a check found. The notebook shows it as a card, a terminal as text."""

    judgement: Judgement
    picture: Picture | None = None
    rule: str = ""
    """The rule that was broken, in words: a ready-made part was used."""

    @property
    def passed(self) -> bool:
        return self.judgement.passed and not self.rule

    @property
    def score(self) -> float:
        return self.judgement.score

    def __repr__(self) -> str:
        lines = [self.headline, *([f"  ! {self.rule}"] if self.rule else [])]
        lines += [f"  {_mark(v)} {_line(v)}" for v in self._listed]
        if self.judgement.advice:
            lines.append(f"  {self.judgement.advice}")
        elif not self.passed and self.judgement.exercise.hints:
            lines.append(f'  Stuck? hint("{self.judgement.exercise.id}")')
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        color = GREEN if self.passed else RED if self.attempted else GREY
        body = [f"<p><b>{_prose(self.headline)}</b></p>"]
        if self.rule:
            body.append(f"<p>⚠ {_prose(self.rule)}</p>")
        body.append("<ul>")
        body += [_item(verdict) for verdict in self._listed]
        body.append("</ul>")
        if self.judgement.advice:
            body.append(f"<p>💡 {_prose(self.judgement.advice)}</p>")
        if self.picture:
            body.append(self.picture.html())
        if not self.passed and self.judgement.exercise.hints:
            call = f'hint("{escape(self.judgement.exercise.id)}")'
            body.append(f"<p><small>Stuck? <code>{call}</code></small></p>")
        return _card(color, "".join(body))

    @property
    def attempted(self) -> bool:
        return self.judgement.verdicts[0].passed

    @property
    def _listed(self) -> list[Verdict]:
        """The checks worth a line: `attempted` only where it is the news."""
        verdicts = self.judgement.verdicts
        return verdicts[1:] if self.attempted else verdicts[:1]

    @property
    def headline(self) -> str:
        """What to do next, in one line."""
        exercise = self.judgement.exercise
        if not self.attempted:
            reason = self.judgement.verdicts[0].message.removeprefix("Not written yet.")
            if "no `" in reason or "cannot be called" in reason:
                return f"{exercise.id}: {reason.strip()}"
            return f"{exercise.id}: not written yet. Fill the cell above, then check."
        if self.passed:
            return f"{exercise.id}: all {len(self._listed)} checks pass. Well done!"
        right = sum(verdict.passed for verdict in self._listed)
        if self.judgement.passed:
            return f"{exercise.id}: the numbers are right, by a part that is not yours."
        first = next(v for v in self._listed if not v.passed)
        return (
            f"{exercise.id}: {right} of {len(self._listed)} checks pass. "
            f"Next: {first.check.title}."
        )


def _state(verdict: Verdict) -> str:
    if verdict.passed:
        return "right"
    if verdict.skipped:
        return "skipped"
    return "open" if verdict.check.id == "attempted" else "wrong"


def _mark(verdict: Verdict) -> str:
    return MARKS[_state(verdict)]


def _line(verdict: Verdict) -> str:
    if verdict.passed or not verdict.message:
        return verdict.check.title
    return f"{verdict.check.title}: {verdict.message}"


def _item(verdict: Verdict) -> str:
    state = _state(verdict)
    text = escape(verdict.check.title)
    if verdict.message and not verdict.passed:
        text += f" <small>{_prose(verdict.message)}</small>"
    mark = (
        f'<span class="m" role="img" aria-label="{SPOKEN[state]}">{MARKS[state]}</span>'
    )
    return f'<li class="{state}">{mark}{text}</li>'


def _prose(text: str) -> str:
    """Returns text as HTML, `code` marked; everything else is inert."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))


def _card(color: str, body: str) -> str:
    return f'{STYLE}<div class="ag" style="--ag:{color}" role="status">{body}</div>'
