"""no_grad, enable_grad, set_grad_enabled, inference_mode: as blocks, as decorators, per thread."""

import inspect
import threading

import pytest

import minigrad
from minigrad import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from minigrad.autograd import is_inference_mode_enabled


@pytest.fixture(autouse=True)
def recording_before_and_after():
    assert is_grad_enabled() and not is_inference_mode_enabled()
    yield
    assert is_grad_enabled() and not is_inference_mode_enabled()


def leaf(value=2.0):
    return minigrad.tensor(value, requires_grad=True)


@pytest.mark.parametrize("switch", [no_grad, inference_mode, lambda: set_grad_enabled(False)])
def test_nothing_is_recorded(switch):
    x = leaf()
    with switch():
        y = x * x
        assert not is_grad_enabled()
        assert not y.requires_grad and y.is_leaf
        assert leaf().requires_grad  # asked for by name, it is granted
    assert (x * x).requires_grad
    with pytest.raises(RuntimeError, match=r"no history.*no_grad\(\)"):
        y.backward()


def test_nesting():
    with no_grad():
        with enable_grad():
            assert is_grad_enabled() and (leaf() * 2).requires_grad
            with no_grad():
                assert not is_grad_enabled()
            assert is_grad_enabled()
        assert not is_grad_enabled()


def test_an_error_switches_back():
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert is_grad_enabled()

    @no_grad()
    def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()


def test_one_object_used_again_and_inside_itself():
    switch = no_grad()
    with switch:
        with switch:
            assert not is_grad_enabled()
        assert not is_grad_enabled()
    with switch:
        assert not is_grad_enabled()


# ----------------------------------------------------------------------------------------------------------------
# set_grad_enabled


def test_as_a_call():
    set_grad_enabled(False)
    assert not is_grad_enabled()
    set_grad_enabled(True)


def test_as_a_block_it_leaves_things_as_they_were():
    with set_grad_enabled(False):
        assert not is_grad_enabled()
        with set_grad_enabled(True):
            assert is_grad_enabled()
        assert not is_grad_enabled()
    assert is_grad_enabled()


def test_as_a_decorator_it_switches_only_inside():
    @set_grad_enabled(False)
    def inside():
        return is_grad_enabled()

    assert is_grad_enabled()
    assert not inside()


# ----------------------------------------------------------------------------------------------------------------
# Decorators


@pytest.mark.parametrize("decorate", [no_grad(), no_grad, inference_mode(), inference_mode, inference_mode(True)])
def test_decorator(decorate):
    @decorate
    def square(x):
        """Doc."""
        return x * x

    assert not square(leaf()).requires_grad
    assert square.__name__ == "square" and square.__doc__ == "Doc."


@pytest.mark.parametrize("decorate", [enable_grad(), enable_grad, inference_mode(False)])
def test_decorator_that_switches_on(decorate):
    @decorate
    def square(x):
        return x * x

    with no_grad():
        assert square(leaf()).requires_grad
        assert not is_grad_enabled()


def test_decorated_function_that_calls_itself():
    @no_grad()
    def down(n):
        assert not is_grad_enabled()
        return 0 if n == 0 else down(n - 1)

    assert down(3) == 0


def test_decorated_method():
    class Model:
        @no_grad()
        def predict(self, x):
            return x * 2

    assert not Model().predict(leaf()).requires_grad


def test_decorated_generator_is_off_inside_and_on_outside():
    @no_grad()
    def batches():
        received = yield is_grad_enabled()
        yield received, is_grad_enabled()
        return "end"

    generator = batches()
    assert next(generator) is False
    assert is_grad_enabled()
    assert generator.send("sent") == ("sent", False)
    assert is_grad_enabled()
    with pytest.raises(StopIteration) as stop:
        next(generator)
    assert stop.value.value == "end"
    assert inspect.isgeneratorfunction(batches)


def test_a_class_cannot_be_decorated():
    for decorate in (no_grad, no_grad()):
        with pytest.raises(TypeError, match="not the class Model; decorate its methods"):
            decorate(type("Model", (), {}))


# ----------------------------------------------------------------------------------------------------------------
# inference_mode


def test_inference_mode_says_so():
    with inference_mode():
        assert is_inference_mode_enabled()
        with inference_mode(mode=False):
            assert is_grad_enabled() and not is_inference_mode_enabled()
        y = leaf() * 2
    assert (y * leaf()).requires_grad  # a plain constant afterwards


# ----------------------------------------------------------------------------------------------------------------
# Threads


def test_each_thread_has_its_own_switch():
    inside, checked, seen = threading.Event(), threading.Event(), {}

    def evaluate():
        seen["at first"] = is_grad_enabled()
        with no_grad():
            inside.set()
            checked.wait(10)
            seen["inside"] = is_grad_enabled()

    thread = threading.Thread(target=evaluate)
    with no_grad():  # not inherited either
        thread.start()
        assert inside.wait(10)
    assert is_grad_enabled()
    assert (leaf() * 2).requires_grad
    checked.set()
    thread.join()
    assert seen == {"at first": True, "inside": False}
