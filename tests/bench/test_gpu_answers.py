"""From records made by hand: what is counted, what is said in words, and which goals are met."""

import pytest

from bnkit.bench import gpu_answers, gpu_bounds, gpu_device, gpu_goals, gpu_live, gpu_results
from bnkit.bench.gpu_cases import CASES, EARLY, LATE, ROWS, SMALL, TINY, Accuracy, Case, Stack
from bnkit.bench.gpu_goals import GOALS, Goal


def laps(forward, backward):
    return {
        name: time
        for way, t in (("forward", forward), ("backward", backward), ("both", forward + backward))
        for name, time in ((way, t), (f"{way}_rounds", [t]))
    }


def document(reports, *, device="Synthetic 9000"):
    cases = {case.name: {"session": 0, **report} for case, report in reports.items()}
    return {"schema": 1, "sessions": [{"date": "2031-05-06", "device": device}], "cases": cases}


def report(copy=2.0, backend="Native", **arms):
    return {"copy": copy, "native_backend": backend, "arms": arms}


def case(shape, workload="bn", dtype="float32", layout="contiguous", **more):
    return Case(workload, shape, dtype, layout, **more)


# Answers


def test_torch_is_asked_by_axes_layout_and_dtype_and_compared_with_its_rule():
    right = {
        case(EARLY): report(backend="Cudnn"),
        case(LATE): report(backend="Cudnn"),
        case(EARLY, dtype="bfloat16"): report(),
        case(ROWS): report(),
        case(LATE, "bn_relu"): report(backend="not counted: the same layer"),
    }
    rows = gpu_answers.backends(document(right))
    assert [tuple(row.values()) for row in rows] == [
        ("(N, C)", "contiguous", "float32", "Native", "Native", 1),
        ("(N, C, H, W)", "contiguous", "bfloat16", "Native", "Native", 1),
        ("(N, C, H, W)", "contiguous", "float32", "Cudnn", "Cudnn", 2),
    ]
    assert "by that rule everywhere" in gpu_answers.rule_of_backends(document(right))
    wrong = document(right | {case(LATE): report(backend="Native")})
    assert gpu_answers.rule_of_backends(wrong) == (
        "In the record torch did not always choose by that rule: "
        "Cudnn, Native for float32 (N, C, H, W)."
    )


def test_means_are_over_batches_that_have_all_of_the_arms():
    record = document({
        case(EARLY): report(eager=laps(6.0, 10.0), compile=laps(3.0, 5.0), kernels=laps(3.0, 1.0)),
        case(LATE): report(eager=laps(3.0, 5.0), compile=laps(3.0, 5.0), kernels=laps(3.0, 5.0)),
        case(ROWS): report(eager=laps(1.0, 1.0), kernels=laps(9.0, 9.0)),  # compile failed
    })  # fmt: skip
    forward, backward, speed = gpu_answers.summary(record)
    assert (forward["mean"], forward["batches"], forward["dtype"]) == (
        "share of the copy, forward", 2, "float32",
    )  # fmt: skip
    assert [forward[arm] for arm in gpu_answers.ARMS] == [0.75, 1.0, 1.0]
    assert [backward[arm] for arm in gpu_answers.ARMS] == [0.75, 1.0, 3.0]
    assert speed["compile"] == pytest.approx(2**0.5)  # of 2 and 1
    assert speed["kernels"] == pytest.approx(2.0)  # of 4 and 1
    assert gpu_answers.summary(record, (*gpu_answers.ARMS, "compile max-autotune")) == []


@pytest.mark.parametrize(
    ("times", "verdict"),
    [
        ((1.0, 1.5), "It is not so on the GPU: in 0 of 2"),
        ((3.0, 1.5), "On the GPU it depends on the batch: in 1 of 2"),
        ((3.0, 5.0), "It is so on the GPU too: in 2 of 2"),
    ],
)
def test_whether_a_compiled_relu_is_slow_is_said_by_the_record(times, verdict):
    early, late = (report(eager=laps(1.0, 1.0), compile=laps(time / 2, time / 2)) for time in times)
    behind = {case(EARLY, "bn_relu"): early, case(LATE, "bn_relu", "bfloat16"): late}
    assert gpu_answers.compiled_relu(document(behind)).startswith(verdict)
    alone = {case(EARLY): report(eager=laps(1.0, 1.0), compile=laps(0.25, 0.25))}
    text = gpu_answers.compiled_relu(document(behind | alone))
    median = sum(times) / 2 / 2
    assert text.endswith(f"over eager's is {median:.2f}, of BN alone 0.25.")


def test_growth_is_from_the_fewest_networks_to_the_most():
    # A step takes 1 s for 1 and for 10, 3 s for 100, and 1 s again for 500.
    reports = {
        Stack((4, 2), 6, "batch", number): {
            "num_seeds": number,
            "norm": "batch",
            "arms": {"eager": {"seed_steps_per_second": speed}},
        }
        for number, speed in ((100, 100 / 3), (1, 1.0), (500, 500.0), (10, 10.0))
    }
    (row,) = gpu_answers.growth(document(reports))
    assert list(row.values()) == ["with BN", "eager", "1 to 500", "1 to 500", "500.0", "up to 10"]


def test_without_a_record_no_answer_has_a_number():
    for rows in (gpu_answers.backends, gpu_answers.summary, gpu_answers.growth):
        assert rows(None) == []
    for words in (
        gpu_answers.rule_of_backends, gpu_answers.compiled_relu, gpu_bounds.reading,
    ):  # fmt: skip
        assert words(None) == ""
    assert gpu_bounds.points(None) == {}
    assert gpu_bounds.copy_rate(None) is None
    assert gpu_bounds.sheet(None) is None


# Bounds


def test_operations_are_those_of_a_program_that_counts_them():
    class Counted(float):
        done = 0

        def _counts(name):
            def operate(self, other):
                Counted.done += 1
                return Counted(getattr(float, name)(self, other))

            return operate

        __add__, __sub__, __mul__ = map(_counts, ("__add__", "__sub__", "__mul__"))

    x, dy, mean, gain, beta, b, c, total = map(Counted, (3.0, 1.0, 2.0, 0.5, 0.1, 0.2, 0.3, 0.0))

    total + x  # the mean
    from_mean = x - mean
    total + from_mean * from_mean  # the variance
    (x - mean) * gain + beta
    assert Counted.done == gpu_bounds.OPERATIONS["bn"][0]

    Counted.done = 0
    total + dy
    total + dy * (x - mean)
    gain * dy + b * (x - mean) + c
    assert Counted.done == gpu_bounds.OPERATIONS["bn"][1]


def test_intensity_is_operations_over_the_bytes_of_two_passes():
    assert gpu_bounds.intensity("bn", "float32", "forward") == 7 / 12
    assert gpu_bounds.intensity("bn", "bfloat16", "backward") == 9 / 10
    assert gpu_bounds.intensity("bn_add_relu", "float32", "backward") == 10 / 28


def test_points_have_the_rate_that_their_share_of_the_copy_gives():
    size = 256 * 64 * 56 * 56 * 4
    record = document({case(EARLY): report(kernels=laps(4.0, 20.0))})
    assert gpu_bounds.copy_rate(record) == size  # 2 S in 2 s
    ((at, rate),) = gpu_bounds.points(record)["kernels", "forward"]
    share = gpu_results.shares(record, "bn", "float32", "forward")["256 × 64 × 56 × 56"]["kernels"]
    assert rate == pytest.approx(share.middle * size * at)
    ((_, rate),) = gpu_bounds.points(record)["kernels", "backward"]
    assert rate == 9 * size / 4 / 20.0


def test_a_copy_that_a_cache_holds_is_no_roof():
    assert gpu_bounds.copy_rate(document({case(SMALL[0]): report(copy=1e-9)})) is None


def test_the_reading_counts_points_left_of_the_ridge():
    size = 256 * 64 * 56 * 56 * 4
    reports = {case(EARLY): report(copy=2 * size / 4e12, kernels=laps(1.0, 1.0))}
    text = gpu_bounds.reading(document(reports, device="NVIDIA H200"))
    assert "moved 4.00 TB/s" in text
    assert "the ridge is at 16.8" in text  # 67 over 4
    assert "2 of 2 points lie left of it" in text
    assert "a factor of 28.7 to its left" in text  # 16.75 over 7/12
    other = gpu_bounds.reading(document(reports))
    assert "not known here" in other
    assert "67" not in other


# Goals


SHARE = Goal("share", 0.9, lambda c: isinstance(c, Case), gpu_goals.share("forward"))


def verdict(goal, reports, cases):
    (row,) = gpu_goals.verdicts(document(reports), [goal], cases)
    return row


def test_a_goal_is_met_only_if_the_worst_batch_meets_it():
    cases = [case(EARLY), case(LATE), case(ROWS)]
    good, bad = report(kernels=laps(3.0, 5.0)), report(kernels=laps(4.0, 5.0))  # 1 and 0.75
    row = verdict(SHARE, dict.fromkeys(cases, good), cases)
    assert row == {
        "goal": "share", "bound": "≥\u00a00.9", "worst": "1.000", "median": "1.000",
        "batches": "3 of 3", "verdict": "met",
    }  # fmt: skip
    row = verdict(SHARE, {cases[0]: good, cases[1]: bad, cases[2]: good}, cases)
    assert (row["worst"], row["median"], row["verdict"]) == ("0.750", "1.000", "not met")


def test_a_goal_waits_for_all_of_its_batches_unless_one_fails_it():
    cases = [case(EARLY), case(LATE)]
    row = verdict(SHARE, {cases[0]: report(kernels=laps(3.0, 5.0))}, cases)
    assert (row["batches"], row["verdict"]) == ("1 of 2", "not yet measured")
    row = verdict(SHARE, {cases[0]: report(kernels=laps(6.0, 5.0))}, cases)
    assert row["verdict"] == "not met"
    row = verdict(SHARE, {cases[0]: report(kernels={"error": "out of registers"})}, cases)
    assert (row["worst"], row["verdict"]) == ("failed", "not met")


def test_a_gain_is_over_the_fastest_of_the_others_and_left_out_without_any():
    cases = [case(EARLY), case(LATE)]
    goal = Goal("gain", 2.0, lambda c: True, gpu_goals.gain("both", "compile", "more"))
    ours = laps(1.0, 1.0)
    both = report(compile=laps(3.0, 3.0), more=laps(2.5, 2.5), kernels=ours)
    none = report(compile={"error": "no compiler"}, eager=laps(1.0, 1.0), kernels=ours)
    row = verdict(goal, {cases[0]: both, cases[1]: none}, cases)
    assert (row["worst"], row["batches"], row["verdict"]) == ("2.500", "1 of 2", "met")
    row = verdict(goal, dict.fromkeys(cases, none), cases)
    assert (row["worst"], row["batches"], row["verdict"]) == ("", "0 of 2", "not yet measured")


def test_an_error_is_to_be_small_and_one_that_failed_the_check_still_counts():
    (goal,) = [goal for goal in GOALS if goal.at_most]
    cases = [c for c in CASES if goal.of(c)]
    assert {type(c) for c in cases} == {Accuracy}

    def errors(**last):
        values = [{"var_relative_error": 2e-7} for _ in cases]
        values[-1] |= last
        return {c: {"arms": {"kernels": v}} for c, v in zip(cases, values, strict=True)}

    assert verdict(goal, errors(), CASES)["verdict"] == "met"
    row = verdict(goal, errors(var_relative_error=3e-4, error="off by more than 1e-5"), CASES)
    assert (row["bound"], row["worst"]) == ("≤\u00a010⁻⁵", "3.0·10⁻⁴")
    assert row["verdict"] == "not met"
    row = verdict(goal, errors(var_relative_error="nan", error="off by more than 1e-5"), CASES)
    assert (row["worst"], row["verdict"]) == ("failed", "not met")


def test_every_goal_speaks_of_batches_that_the_bench_measures():
    batches = [[c for c in CASES if goal.of(c)] for goal in GOALS]
    assert all(batches)
    for goal, cases in zip(GOALS, batches, strict=True):
        if "S ≥ 100 MB" in goal.what:
            assert all(gpu_goals.size(c) >= 100e6 for c in cases)
        if "both ways" in goal.what or "backward" in goal.what:
            assert all(c.backward for c in cases)
        if "held whole" in goal.what:
            assert case((64, 256, 14, 14), graph=True) in cases
            assert all(gpu_goals.size(c) <= 25e6 for c in cases)
    nchw, last = batches[2], batches[3]
    assert case(EARLY, autotune=True) in nchw
    assert {c.layout for c in last if len(c.shape) == 4} == {"channels_last"}
    assert {c.dtype for c in last} == {"float32", "bfloat16"}


def test_without_a_record_every_goal_is_not_yet_measured():
    rows = gpu_goals.verdicts(None)
    assert len(rows) == len(GOALS)
    for row in rows:
        assert (row["worst"], row["median"], row["verdict"]) == ("", "", "not yet measured")
        assert row["batches"].startswith("0 of ")


# A reader's own GPU


@pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")
def test_what_is_measured_on_the_spot_is_a_record_with_date_and_versions():
    (stack,) = [c for c in TINY if isinstance(c, Stack) and c.num_seeds == 1]
    live = gpu_live.measure([stack], gpu_device.Rehearsal())
    (session,) = live["sessions"]
    origin = gpu_results.origin(live)
    for part in ("rehearsal on a CPU", session["date"][:10], f"torch {session['torch']}"):
        assert part in origin
    assert list(live["cases"]) == [stack.name]
    assert gpu_results.failures(live) == []
    ((_, speed),) = gpu_results.stacks(live)["batch", "eager"]
    assert speed > 0
