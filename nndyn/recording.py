"""Recording contract (schema 1): names, dimensions and units.

A recording is an ``xarray.Dataset`` holding one reference trajectory (``replica`` 0), its perturbed
replicas and its control. Recorders produce it, the store keeps it, analyzers read it; this module
is all that they share about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

CONVENTIONS = "CF-1.11"

REFERENCE, PERTURBED, CONTROL = 0, 1, 2

#: A deviation is signal above so many rounding floors, and small below that share of a median step.
FLOOR_MARGIN, STEP_SHARE = 10.0, 0.02

#: Of the map of sketches, see `nndyn.numerics.sketch`.
SKETCH_SEED = 0

#: Dimensions that grow while a run is recorded; each has a coordinate of its own name.
GROWING = (
    "time",
    "state_time",
    "evaluation_time",
    "floor_time",
    "tangent_time",
    "sharpness_time",
    "midpoint_time",
    "critical_time",
    "barrier_time",
    "batch_time",
)

#: Variables of which one slot is committed: the other may be half written, and nobody reads it.
CHECKPOINTS = (
    "checkpoint",
    "checkpoint_tangents",
    "checkpoint_companion",
    "checkpoint_eigenvectors",
    "checkpoint_path",
    "checkpoint_midpoint",
    "checkpoint_quadratic",
    "checkpoint_rest",
)


@dataclass(frozen=True)
class Variable:
    """One variable of the schema.

    Attributes
    ----------
    name : str
    dims : tuple of str
        Dimensions where the quantity is taken at every time. ``state`` may lie on ``state_time``
        and the evaluations on ``evaluation_time`` instead: see `on`.
    dtype : str
        numpy dtype name; ``"float"`` stands for the dtype of the run, ``"str"`` for text.
    units : str
        ``"time"`` stands for the unit of the recording's time axis.
    long_name : str
    attrs : dict
        Further CF attributes.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    attrs: dict[str, Any] = field(default_factory=dict)

    def on(self, time_dim: str) -> Variable:
        """Return the same variable with its dimension ``time`` replaced by `time_dim`."""
        dims = tuple(time_dim if d == "time" else d for d in self.dims)
        return Variable(self.name, dims, self.dtype, self.units, self.long_name, self.attrs)


def _real(name: str, dims: tuple[str, ...], long_name: str) -> Variable:
    """Return a variable of numbers without a unit."""
    return Variable(name, dims, "float64", "1", long_name)


def _times(name: str, long_name: str) -> Variable:
    """Return the coordinate of times of what is not taken at every time."""
    return Variable(name, (name,), "float64", "time", long_name)


_T, _TR = ("time",), ("time", "replica")
_S, _M, _C = ("sharpness_time",), ("midpoint_time",), ("critical_time",)

#: Every variable of schema 1, by name.
VARIABLES: dict[str, Variable] = {
    v.name: v
    for v in (
        Variable("time", _T, "float64", "time", "time of the state", {"axis": "T"}),
        _times("state_time", "times at which state is kept"),
        _times("evaluation_time", "times at which the network is evaluated"),
        _times("floor_time", "times at which the rounding floor is measured"),
        _times("batch_time", "times before a step"),
        _times("tangent_time", "times at which tangent vectors are orthonormalized"),
        _real(
            "tangent_log_stretch",
            ("time", "vector"),
            "cumulative natural logarithm of the stretching of tangent vectors along the reference",
        ),
        _real(
            "tangent_alignment",
            _T,
            "absolute cosine between the first tangent vector and one that started elsewhere",
        ),
        _times("sharpness_time", "times at which the Hessian of the loss is looked at"),
        _real("sharpness", _S, "largest Hessian eigenvalue of the reference"),
        _real("sharpness_residual", _S, "length of H v - sharpness v"),
        _real("sharpness_top", (*_S, "eigenvalue"), "largest Hessian eigenvalues, falling"),
        _real("sharpness_top_residual", (*_S, "eigenvalue"), "length of H v - sharpness_top v"),
        _real("curvature_min", _S, "smallest Hessian eigenvalue of the reference"),
        _real("curvature_min_residual", _S, "length of H v - curvature_min v"),
        _real(
            "preconditioned_sharpness",
            _S,
            "largest eigenvalue of the Hessian as the optimizer scales it",
        ),
        _real("preconditioned_sharpness_residual", _S, "length of A v - its value v"),
        Variable("sharpness_products", _S, "int32", "1", "Hessian-vector products of the look"),
        _times("midpoint_time", "middle times of looks between steps"),
        _real(
            "midpoint_sharpness",
            _M,
            "largest Hessian eigenvalue of the reference at (w(t-1) + 2 w(t) + w(t+1)) / 4",
        ),
        _real("midpoint_sharpness_residual", _M, "length of H v - midpoint_sharpness v"),
        _times("critical_time", "times at which the loss is looked at along the next update"),
        _real(
            "critical_sharpness",
            _C,
            "2 over the smallest step length along the next update that raises the loss",
        ),
        _real(
            "critical_ratio",
            _C,
            "learning rate over that step length; above 1 the update raises the loss",
        ),
        Variable(
            "critical_reason",
            _C,
            "int8",
            "1",
            "why there is no such step length: the update goes up the loss, it is beyond a million "
            "updates, there is no update, it is not found in ten passes or above rounding, or not "
            "finite",
            {
                "flag_values": [0, 1, 2, 3, 4, 5],
                "flag_meanings": "found ascends beyond still unresolved not_finite",
            },
        ),
        Variable("critical_passes", _C, "int8", "1", "forward passes that the look took"),
        _real(
            "quadratic_log_growth",
            _TR,
            "natural logarithm of the growth of the deviation on the quadratic expansion of the "
            "loss at the start; 0 where there is no perturbation",
        ),
        Variable("epoch", _T, "float64", "epoch", "passes over the training set"),
        Variable(
            "role",
            ("replica",),
            "int8",
            "1",
            "role of the replica",
            {"flag_values": [0, 1, 2], "flag_meanings": "reference perturbed control"},
        ),
        _real(
            "perturbation",
            ("replica",),
            "max norm of the initial deviation from the reference",
        ),
        _real(
            "perturbed_share",
            ("replica",),
            "share of the perturbed components that differ from the reference's after rounding",
        ),
        Variable("pair", ("replica",), "int32", "1", "index of the mirrored partner, -1 if none"),
        Variable("state", ("time", "replica", "component"), "float", "1", "state of the system"),
        Variable(
            "sketch",
            ("time", "replica", "bucket"),
            "float64",
            "1",
            "sketch of the way from the first state (the reference), of the deviation (the others)",
            {
                "seed": SKETCH_SEED,
                "method": "random signs, rotations and a permutation of rows, their sum",
            },
        ),
        _real("distance_l1", _TR, "l1 distance to the reference"),
        _real("distance_l2", _TR, "l2 distance to the reference"),
        _real("distance_linf", _TR, "max-norm distance to the reference"),
        _real(
            "distance_l2_parameter",
            (*_TR, "parameter"),
            "l2 distance to the reference by parameter",
        ),
        _real(
            "distance_output", _TR, "l2 distance of the test-set outputs to those of the reference"
        ),
        _real(
            "prediction_disagreement",
            _TR,
            "share of the test set of which the predicted class is not that of the reference",
        ),
        _real(
            "deviation_alignment",
            _T,
            "mean absolute cosine between the deviations of perturbed replicas",
        ),
        _real(
            "rounding_distance",
            ("floor_time",),
            "l2 distance of the reference to its twin in another summation order",
        ),
        _real(
            "log_rescale",
            _TR,
            "cumulative natural logarithm of the factors taken out by rescaling",
        ),
        _real("loss", _TR, "loss over the training set"),
        _real("test_loss", _TR, "loss over the test set"),
        _real("accuracy", _TR, "share of the training set classified correctly"),
        _real("test_accuracy", _TR, "share of the test set classified correctly"),
        _real("gradient_norm", _TR, "l2 norm of the loss gradient"),
        _real("step_length", _TR, "l2 length of the step that led to the state"),
        Variable(
            "diverged_at",
            ("replica",),
            "int64",
            "step",
            "first step with a value that is not finite, -1 if none",
        ),
        Variable("parameter_name", ("parameter",), "str", "1", "name of the parameter"),
        Variable("parameter_start", ("parameter",), "int64", "1", "its first component"),
        Variable("parameter_size", ("parameter",), "int64", "1", "its number of components"),
        Variable(
            "checkpoint",
            ("slot", "replica", "phase"),
            "float",
            "1",
            "whole phase from which a run is resumed",
        ),
        _real(
            "checkpoint_tangents",
            ("slot", "phase", "vector"),
            "tangent vectors from which a run is resumed",
        ),
        _real(
            "checkpoint_companion",
            ("slot", "phase"),
            "tangent vector that started elsewhere, from which a run is resumed",
        ),
        Variable(
            "checkpoint_eigenvectors",
            ("slot", "eigenvector", "weight"),
            "float32",
            "1",
            "vectors that the next search for eigenvalues begins with",
        ),
        Variable(
            "checkpoint_path",
            ("slot", "before", "phase"),
            "float",
            "1",
            "phases of the reference two times before and one, where the next midpoint needs them",
        ),
        Variable(
            "checkpoint_midpoint",
            ("slot", "midpoint_vector", "weight"),
            "float32",
            "1",
            "vectors that the next search at a midpoint begins with",
        ),
        Variable(
            "checkpoint_quadratic",
            ("slot", "replica", "phase"),
            "float",
            "1",
            "reference and deviations on the quadratic expansion from which a run is resumed",
        ),
        Variable(
            "checkpoint_rest",
            ("slot", "replica", "byte"),
            "uint8",
            "1",
            "state beside the phase from which a run is resumed, as text",
        ),
        Variable(
            "checkpoint_step", ("slot",), "int64", "step", "step of the checkpoint, -1 if none"
        ),
    )
}

#: What is evaluated along segments between the weights of two replicas.
ALONG = ("loss", "accuracy", "test_loss", "test_accuracy")
_E, _P = ("barrier_time", "barrier_segment"), ("barrier_position",)
VARIABLES |= {
    v.name: v
    for v in (
        *(
            _real(f"barrier_{name}", (*_E, *_P), f"{VARIABLES[name].long_name}, on a segment")
            for name in ALONG
        ),
        _times("barrier_time", "ends of a run"),
        _real("barrier_distance_l2", _E, "l2 length of a segment"),
        _real("barrier_distance_output", _E, "l2 distance of the test-set outputs of its ends"),
        _real("barrier_disagreement", _E, "share of the test set classed otherwise by its ends"),
        _real("barrier_norm", ("barrier_time", "replica"), "l2 norm of the weights at the end"),
        _real("barrier_position", _P, "share of the way along a segment"),
        Variable("barrier_from", _E[1:], "int32", "1", "replica at position 0 of a segment"),
        Variable("barrier_to", _E[1:], "int32", "1", "replica at position 1 of a segment"),
    )
}

#: Beginnings of the names that users give: dimensions, and what the quantity is.
_NAMED = {
    "batch_": (("batch_time", "replica"), "{} of the batch, before the step"),
    "metric_": (_TR, "{}, as the user's evaluation returns it"),
}


def variable(name: str) -> Variable | None:
    """Return one of `VARIABLES`, or ``batch_NAME`` or ``metric_NAME``, which users name."""
    if name in VARIABLES:
        return VARIABLES[name]
    for beginning, (dims, what) in _NAMED.items():
        if name.startswith(beginning) and name != beginning:
            return Variable(name, dims, "float64", "1", what.format(name[len(beginning) :]))
    return None


#: What a recording cannot be read without.
REQUIRED = ("time", "role", "perturbation", "pair", "diverged_at", "log_rescale")
DISTANCES = ("distance_l1", "distance_l2", "distance_linf")
#: One of these too: a reference recorded alone, with tangents, has no distances.
ANALYZED = ("state", "distance_l2", "tangent_log_stretch")
#: What a look along the next update gives.
CRITICAL = ("critical_sharpness", "critical_ratio", "critical_reason", "critical_passes")

#: What a reader of a recording looks at first, and what is kept for the analyzers and for resuming.
_FIRST = ("state", "sketch", "loss", "accuracy", "test_loss", "test_accuracy")
_BOOKKEEPING = (
    *("log_rescale", "role", "perturbation", "perturbed_share", "pair", "diverged_at"),
    *("parameter_name", "parameter_start", "parameter_size", *CHECKPOINTS, "checkpoint_step"),
)


def arranged(recording: xr.Dataset) -> xr.Dataset:
    """Return a recording in the order in which it is read: status first, bookkeeping last."""
    found = [str(name) for name in recording.data_vars]
    last = [name for name in _BOOKKEEPING if name in found]
    first = [name for name in _FIRST if name in found]
    middle = [name for name in found if name not in (*first, *last)]
    shown = recording[[*recording.coords, *first, *middle, *last]]
    shown.attrs = {"status": shown.attrs["status"], **shown.attrs}
    return shown
