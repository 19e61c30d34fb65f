"""Verdicts and statuses: what each means, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nndyn.errors import UnknownNameError
from nndyn.words.names import did_you_mean


@dataclass(frozen=True)
class Explanation:
    """What a word means.

    Attributes
    ----------
    of : str
        Which analyzers, commands or files say it.
    means, next : str
        One or more sentences each: what was seen, and what to do about it.
    """

    of: str
    means: str
    next: str


_LYAPUNOV = "lyapunov, spectrum"
_STUDY = "lyapunov of a study, onset"
_LEARNING = "learning of a study"
_RUNS = "runs of a study"

VERDICTS: Mapping[str, Explanation] = {
    "regular": Explanation(
        _LYAPUNOV,
        "Nearby runs stay nearby: deviations shrank, changed by less than one e-folding, drifted "
        "slowly, or grew as a power of time. Nothing there is to be called chaos; weaker chaos "
        "than the reason states cannot be excluded.",
        "Nothing has to be done. To find where growth sets in, raise the learning rate, or let "
        "nndyn onset search for it.",
    ),
    "transient": Explanation(
        "lyapunov",
        "Deviations grew exponentially, by three e-foldings or more and by more than chance gives, "
        "and then stopped growing. The exponent belongs to its window alone, and growth is the "
        "whole amount. Most trainings at large learning rates look like this.",
        "Report exponent, window and growth together, and other seeds beside: one run speaks for "
        "itself alone. nndyn plot lyapunov draws the course.",
    ),
    "saturated": Explanation(
        _LYAPUNOV,
        "Deviations grew until they were no longer small, so that how long the growth would have "
        "lasted is unknown. The exponent is that of the time before.",
        "Record again with `rescale=5` or `rescale=10`, which pulls the copies back and keeps "
        "count, or with `tangents=1`; where that is done already, rescale more often.",
    ),
    "chaotic": Explanation(
        _LYAPUNOV,
        "Nearby runs separate exponentially to the end of the recording: of a training, growth was "
        "still going on in the last quarter; of a map or flow, the interval of the exponent lies "
        "above zero and no power of time explains the growth.",
        "Look at the interval, and at what it is over. Of a training, record longer: chaos along "
        "training usually ends. nndyn analyze spectrum gives further exponents, from `tangents`.",
    ),
    "unresolved": Explanation(
        "every analyzer",
        "These data cannot tell. That is an answer about the recording, not about the system: it "
        "is too short, too noisy, too coarse, or its copies disagree.",
        "The reason names what is missing and what would decide it. With `strict` a command exits "
        "with 3 here, so that a script does not go on.",
    ),
    "not told from a random walk": Explanation(
        "plot path",
        "The first principal component holds as much of the trajectory's variance, and drifts as "
        "slowly, as of random walks of as many states and numbers, which draw the same arcs.",
        "Read no structure into the picture; exploration compares displacement and participation "
        "ratio with those of walks.",
    ),
    "unlike a random walk": Explanation(
        "plot path",
        "The first principal component holds more or less of the trajectory's variance, or drifts "
        "more or less, than of all but a few random walks of as many states and numbers: what "
        "comes back again and again does not drift.",
        "Compare the shares in the third panel. That the picture has arcs is no sign of it: walks "
        "have them too.",
    ),
    "diverged": Explanation(
        "lyapunov, spectrum, exploration, recurrence, learning, endings, autocorrelation",
        "The reference itself left every bound: its state is not finite, or grew without end. What "
        "came before was analyzed as far as it goes; the way out has no exponent.",
        "Lower the learning rate, or the time step of a flow; start elsewhere; or look at an "
        "earlier time with `window=(A, B)`.",
    ),
    "finite-time": Explanation(
        "spectrum",
        "The exponents are those of a finite window of a run that is not stationary, such as a "
        "training: they describe that window and have no limit.",
        "State the window with them. `window=(A, B)` looks at another one, `horizon` at the spread "
        "over shorter times.",
    ),
    "ballistic": Explanation(
        "exploration",
        "The mean-squared displacement grows as the square of the lag: the trajectory goes "
        "straight on over the lags looked at.",
        "Look at longer lags with a longer recording: nothing goes straight on for ever.",
    ),
    "superdiffusive": Explanation(
        "exploration",
        "The trajectory spreads faster than a random walk, yet does not go straight on.",
        "Compare seeds and learning rates; tortuosity and progress say how much of the way leads "
        "anywhere.",
    ),
    "diffusive": Explanation(
        "exploration",
        "The trajectory spreads as a random walk does: the exponent of the mean-squared "
        "displacement is not told from 1.",
        "The participation ratio, beside that of a random walk, says in how many directions.",
    ),
    "subdiffusive": Explanation(
        "exploration",
        "The trajectory spreads more slowly than a random walk.",
        "A longer recording tells whether it goes on spreading or reaches a plateau (confined).",
    ),
    "confined": Explanation(
        "exploration",
        "The mean-squared displacement has reached a plateau: the trajectory stays in a part of "
        "its space.",
        "nndyn analyze recurrence says how it comes back to where it was.",
    ),
    "withheld": Explanation(
        "exploration",
        "The run settles: its steps shrink, and an exponent of diffusion would be that of its "
        "first steps alone. So none is given.",
        "Cut the recording before it settles, or use path length, tortuosity and progress, which "
        "hold all the same.",
    ),
    "recurrent": Explanation(
        "recurrence",
        "Some pairs of states lie within the radius, others do not, so that the lines of the plot "
        "can be counted. The verdict says no more: the measures do.",
        "Set determinism and laminarity beside what independent points would give, which the "
        "reason states; choose the radius by `radius='rate:R'` to compare recordings.",
    ),
    "full": Explanation(
        "recurrence",
        "All pairs of states lie within the radius: the plot has no structure.",
        "Choose a smaller radius, such as `radius='rate:0.05'`.",
    ),
    "none": Explanation(
        "recurrence; runs of a study",
        "Of recurrence: no two states lie within the radius. Among the verdicts of a study: runs "
        "without a result.",
        "Choose a larger radius, such as `radius='rate:0.05'`. Of a study, nndyn info says which "
        "runs are missing, and cell_failure of the result why.",
    ),
    "decaying": Explanation(
        "autocorrelation",
        "The autocorrelation of the states falls below 1/e within the recording: at that lag the "
        "motion has forgotten most of where it was, or, of a cycle, is elsewhere on it.",
        "Leave pairs nearer than that out of recurrence plots (`theiler`). Of a transient the time "
        "belongs to the recording's window, and grows with it.",
    ),
    "constant": Explanation(
        "autocorrelation",
        "The state does not change beyond rounding, so that there is nothing to forget.",
        "Look whether the recording has settled, and at another `component`.",
    ),
    "compared": Explanation(
        "compare",
        "Recordings stand side by side. No verdict is given on all of them: each has those of the "
        "analyzers.",
        "Read the warnings, which say what may not be compared, and the notes beside nulls.",
    ),
    "learned": Explanation(
        "learning",
        "The accuracy reached the threshold within the recording.",
        "training_time says at which step; training_time_held whether it stayed. Over seeds, a "
        "sweep gives medians.",
    ),
    "not learned": Explanation(
        "learning",
        "The accuracy did not reach the threshold by the last step. Its training time is longer "
        "than the recording, not unknown: a study counts it as such.",
        "Train longer (`resume=True` with more `steps` goes on), ask for less (`threshold`), or "
        "choose another learning rate.",
    ),
    "connected": Explanation(
        "endings",
        "Any two ends, of the reference and its copies, are linearly connected: along the straight "
        "line between their weights the error rises by less than 2 % above that of its ends.",
        "Set it beside two seeds (`beside`), which as a rule are not connected. Whether the copies "
        "are one function as well, output_group says.",
    ),
    "not connected": Explanation(
        "endings",
        "No two ends are linearly connected: between any two the error rises by 2 % or more. Units "
        "were not aligned, so that two networks that differ by a permutation of hidden units alone "
        "are not connected either.",
        "largest_disagreement says how far they are apart as functions. To see when the copies "
        "part for good, perturb later (`perturb_at`) and look again.",
    ),
    "in groups": Explanation(
        "endings",
        "Some ends are linearly connected and others are not: within a group any two are.",
        "group says which copies go together, output_group which are one function. More replicas "
        "say how often a copy goes its own way.",
    ),
    "found": Explanation(
        f"{_STUDY}, {_LEARNING}",
        "The rate was found: of growth, half of the seeds turn over at it, between rates that were "
        "sampled; of learning, it has the shortest median training time.",
        "Use the interval, which is over seeds, and see how many seeds there are. More seeds make "
        "it narrower, down to the step of the grid.",
    ),
    "imprecise": Explanation(
        "onset",
        "An onset was found, but its interval is wider than `precision` asks for, or over too few "
        "seeds to hold a median with the confidence asked for.",
        "Give a larger `budget` or more `seeds`; with -o the same command goes on where it ended.",
    ),
    "below the grid": Explanation(
        _STUDY,
        "At least half of the seeds grow at the lowest value sampled already: the onset lies below "
        "it.",
        "Sweep lower values; the same sweep with `resume=True` grows by them.",
    ),
    "above the grid": Explanation(
        _STUDY,
        "At least half of the seeds never grow, up to the highest value sampled: the onset lies "
        "above it, or there is none.",
        "Sweep higher values; the same sweep with `resume=True` grows by them. Where runs diverge "
        "before they grow, there is no onset to find.",
    ),
    "stationary": Explanation(
        _STUDY,
        "The runs are of maps or flows, whose exponents are means over an attractor: growth from a "
        "start has no onset there.",
        "Read lyapunov_max along the swept parameter, and where its interval passes zero.",
    ),
    "fastest below the onset": Explanation(
        _LEARNING,
        "Training is fastest at a rate below the onset of growth, by a ratio whose interval lies "
        "below 1.",
        "Chaos is not what makes it fast here. Report the ratio with its interval and the number "
        "of seeds.",
    ),
    "fastest above the onset": Explanation(
        _LEARNING,
        "Training is fastest at a rate above the onset of growth, by a ratio whose interval lies "
        "above 1.",
        "Look whether training time times learning rate falls below its value at small rates: else "
        "the longer step alone explains it.",
    ),
    "at the onset (not distinguishable)": Explanation(
        _LEARNING,
        "The rate of fastest training and the onset of growth are not told apart, and their ratio "
        "is known to lie within a factor of two of 1.",
        "More seeds and a finer grid narrow the ratio. That two rates coincide does not say that "
        "one is there because of the other.",
    ),
    "medians": Explanation(
        "studies of autocorrelation, exploration, recurrence and spectrum",
        "No verdict is given on the study as a whole: the table holds medians over seeds.",
        "nndyn analyze of a recording in it gives the verdict of that run.",
    ),
    "complete": Explanation(
        f"recordings, {_RUNS}",
        "All steps that were asked for are recorded.",
        "`resume=True` with more `steps` extends a recording.",
    ),
    "stopped": Explanation(
        f"recordings, {_RUNS}",
        "The run ended before its last step, for the reason beside it, mostly since the reference "
        "left every bound. The recording is whole and can be analyzed.",
        "Lower the learning rate or the time step; a study counts such a run.",
    ),
    "recording": Explanation(
        f"recordings, {_RUNS}",
        "A process writes the recording now, or ended without closing it.",
        "nndyn.open shows what is committed; `resume=True` goes on with it once that process is "
        "gone.",
    ),
    "begun": Explanation(
        _RUNS,
        "The run was to begin anew, since its recording is gone, and is not noted as done.",
        "The same sweep records it.",
    ),
    "interrupted": Explanation(
        _RUNS,
        "The run was cut short; what was committed is safe.",
        "The same sweep goes on with it.",
    ),
    "missing": Explanation(
        _RUNS,
        "The run was not recorded yet, or its recording is gone.",
        "The same sweep records it.",
    ),
    "failed": Explanation(
        _RUNS,
        "The run could not be recorded, for the reason beside it; the others went on.",
        "Mend what the reason names; the same sweep tries it again.",
    ),
    "damaged": Explanation(
        _RUNS,
        "The file of the run cannot be read as it was written.",
        "nndyn verify says what is wrong. Restore it from a copy, or remove it and sweep again.",
    ),
    "foreign": Explanation(
        _RUNS,
        "The file of the run holds another recording than the one that was noted; no command uses "
        "it.",
        "Put the right file there, or remove this one and sweep again.",
    ),
    "unplanned": Explanation(
        _RUNS,
        "The plan of the study has no run at this place of its grid.",
        "Nothing has to be done; `resume=True` with further values plans more runs.",
    ),
}

#: Verdicts that answer no to what was asked, or leave it open.
NULLS = frozenset(
    {
        *("regular", "unresolved", "withheld", "full", "none", "not learned", "imprecise"),
        *("below the grid", "above the grid"),
        *("fastest below the onset", "fastest above the onset"),
    }
)


def explanation(word: str) -> Explanation:
    """Return what a verdict or status means.

    Parameters
    ----------
    word : str
        Dashes, underscores and blanks are alike, and so are capitals.

    Returns
    -------
    Explanation

    Raises
    ------
    UnknownNameError
        If nothing of nndyn says it; lists what there is.
    """
    form = _form(word)
    for name, found in VERDICTS.items():
        if form in (_form(name), _form(name.partition(" (")[0])):
            return found
    raise UnknownNameError(
        f"no verdict is called {word!r}; known: {', '.join(VERDICTS)}{did_you_mean(word, VERDICTS)}"
    )


def _form(word: str) -> str:
    return " ".join(word.lower().replace("-", " ").replace("_", " ").split())
