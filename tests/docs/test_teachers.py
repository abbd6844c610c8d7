"""What the page for teachers promises is kept: each topic is on it, and the place it names speaks of the topic."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "teachers.md").read_text(encoding="utf-8")

# What a first course on neural networks teaches: the topic as the page has it; where it is taught, a lesson or another
# file; and words that must stand there.
TOPICS = [
    # Tensors and gradients
    ("Scalar, vector, matrix, image as tensors; shape, dtype, device", 4, "scalar", "matrix", "photo", "dtype"),
    ("Arithmetic entry by entry, transpose", 4, "entry by entry", "x.T"),
    ("Matrix product", 6, "@ weight"),
    ("Matrix product", 9, " @ "),
    ("CPU and GPU", 24, "GPU", "synchronize()"),
    ("CPU and GPU", "docs/guide/devices.md", ".to(device)", "cuda.is_available()"),
    ("From NumPy and back", 4, "float64", ".float()", ".numpy()", "copies an array", "shares its memory"),
    ("From NumPy and back", "docs/guide/devices.md", "from_numpy", ".double()", "shares memory"),
    ("How tensors print", "docs/guide/numbers.md", "tensor([[0.6900]])", "e-05", "set_printoptions"),
    ("Gradient, derivative, chain rule", 2, "*gradient*", "derivative", "chain rule"),
    ("Backpropagation", 3, "chain rule", "def backward("),
    ("Updating a weight by hand, under `no_grad`", 1, "no_grad", "x -= rate * x.grad"),
    ("Updating a weight by hand, under `no_grad`", 6, "no_grad", "weight -="),
    ("Gradients add up; resetting them", 1, "``backward()`` adds", "x.grad = None"),
    ("Gradients add up; resetting them", 5, "zero_grad"),
    ("Gradients add up; resetting them", 23, "zero_grad forgotten"),
    ("Why `w = w - rate * grad` does not train the model", 6, "weight = weight - lr * weight.grad"),
    # Layers and networks
    ("Neuron, linear layer, y = ax + b", 5, "y = weight · x + bias"),
    ("Neuron, linear layer, y = ax + b", 6, "neuron", "nn.Linear"),
    ("Stacking layers; two linear layers make one", 6, "Two linear layers are one", "nn.Sequential"),
    ("A module of your own; a parameter of your own", 6, "(nn.Module)", "super().__init__()"),
    ("A module of your own; a parameter of your own", 18, "nn.Parameter"),
    ("Input, hidden, output layer; width and depth", 6, "hidden", "*Width*", "*depth*"),
    ("Layers as matrices: forward", 6, "W_2 (W_1 x + b_1) + b_2"),
    ("L layers as matrices: forward and backward as loops", 24, "loop over the layers", "loop in reverse", "dz.T @ a"),
    ("Counting parameters, capacity", 6, "n · m weights", "numel()", "summary"),
    ("Counting parameters, capacity", 14, "**capacity**"),
    ("Sigmoid, softmax, ReLU; sparse outputs", 6, "nn.Sigmoid()", "nn.ReLU()", "*sparse*"),
    ("Sigmoid, softmax, ReLU; sparse outputs", 7, "*sigmoid*", "*softmax*"),
    ("Leaky ReLU, dead neurons", 6, "LeakyReLU", "*dead*"),
    ("Leaky ReLU, dead neurons", 15, "**dead**"),
    ("Vanishing and exploding gradients", 6, "*vanishing gradient*"),
    ("Vanishing and exploding gradients", 9, "gradients", "Twenty layers"),
    ("Vanishing and exploding gradients", 20, "Fading and bursting"),
    ("Output for two classes, for many", 7, "two classes", "several classes"),
    ("Output for a number (regression)", 5, "y = weight · x + bias", "MSELoss"),
    ("Dropout", 8, "Dropout"),
    ("Dropout", 14, "nn.Dropout"),
    ("Normalising the input", 13, "Normalising the inputs", "std"),
    (
        "Batch normalisation: gamma, beta, epsilon, its backward pass",
        13, r"\gamma", r"\beta", r"\epsilon", "The way back", r"\frac{dL}{dz_i}",
    ),
    ("Running statistics; training and evaluation", 13, "running_mean", "running_var", "*buffers*", "eval()"),
    ("No bias before batch normalisation", 8, "no bias"),
    ("No bias before batch normalisation", 13, "bias=False"),
    ("Data that change: covariate, prior and concept shift", 13, "covariate shift", "prior shift", "concept shift"),
    # Losses
    ("Squared error; 1/2m in front of it", 5, "mean squared error", "MSELoss", "1/(2m)", "half as large"),
    ("Absolute error; what an outlier does", 5, "*absolute error*", "nn.L1Loss", "*outlier*"),
    ("Cross entropy, with labels and with probabilities", 7, "cross_entropy(scores, labels)", "nll_loss"),
    ("One-hot encoding", 7, "*One-hot*", "F.one_hot"),
    ("Loss for yes or no", 7, "binary_cross_entropy_with_logits"),
    ("A loss with a penalty on the weights", 14, "**L2 penalty**", r"\sum w^2"),
    ("Bowls, saddle points, more than one valley (convex or not)", 11, "*bowl*", "*saddle*", "*convex*", "not convex"),
    ("Bowls, saddle points, more than one valley (convex or not)", 22, "a saddle", "two valleys", "hessian"),
    # Optimizers
    ("Gradient descent on x², as a table", 1, "The table", "x**2"),
    ("When to stop", 1, "When to stop"),
    ("The training loop", 5, "The training loop", "optimizer.step()"),
    ("What an optimizer holds", 18, "groups of parameters", "state_dict()"),
    ("A line through points, with SGD and with Adam", 5, "optim.SGD(", "optim.Adam("),
    ("A price from what is offered: houses, the rent of flats", 5, "houses", "price"),
    ("A price from what is offered: houses, the rent of flats", 13, "rent", "flats"),
    ("Whole batch, mini-batch, one sample at random", 5, "batch gradient descent", "stochastic", "mini-batch"),
    ("Moving average, its window, bias correction", 10, "moving average", "1/(1 - β)", "*bias correction*"),
    ("Momentum: velocity, average, Nesterov", 10, "velocity", "EWMA", "dampening=", "Nesterov"),
    ("AdaGrad, and over a window of the last gradients", 11, "*AdaGrad*", "*window*", "class WindowedAdagrad"),
    ("RMSProp, and with momentum", 11, "*RMSProp*", "optim.RMSprop", "*RMSProp with momentum*"),
    ("Adam, its settings, and where epsilon stands", 11, "*Adam*", r"\beta_2", "Epsilon, inside or outside the root"),
    # Learning rates
    ("Too high, too low, right", 1, "too small", "too large"),
    ("Too high, too low, right", 12, "too low", "too high"),
    (
        "In pieces, in steps, exponential, 1/t, 1/√t, by hand",
        12, "piecewise", "``MultiStepLR``", "``MultiplicativeLR``", "ExponentialLR",
        "0.95", "1 / (1 + 0.1 k)", "√(k + 1)", "param_groups", "by hand",
    ),
    ("Constant, warm-up, one after the other", 12, "ConstantLR", "warm-up", "SequentialLR"),
    ("Cosine, with restarts; cyclical", 12, "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR"),
    ("By what the validation loss does", 12, "ReduceLROnPlateau"),
    ("A lower rate for some layers", 17, "low rate", '"lr":'),
    ("Grid search, random search, cross-validation", 16, "**grid**", "**Random search**", "**Cross-validation**"),
    (
        "Bayesian search; architecture search: width, depth, activation",
        16, "**Bayesian", "Optuna", "*architecture search*", "the width, the depth and the bend (activation)",
    ),
    # First weights and transfer
    ("Glorot (Xavier) and He (Kaiming)", 9, "xavier_normal_", "kaiming_normal_", "Glorot"),
    ("Uniform, normal, constant", 9, "init.normal_", "init.constant_", "init.zeros_"),
    ("Uniform, normal, constant", 13, "init.uniform_"),
    ("What bad first weights do", 9, "zero", "twins"),
    ("Freezing layers", 6, "Freezing", "requires_grad = False"),
    ("Freezing layers", 17, "**frozen body**", "requires_grad_(False)"),
    ("Fine-tuning a network that is trained already", 17, "Pre-training", "def fine_tune"),
    ("Saving and loading", 17, "minigrad.save(", "minigrad.load(", "load_state_dict"),
    # Data
    ("Tables as tensors", 7, "Iris()", "four measurements"),
    ("Tables as tensors", 5, "TensorDataset"),
    ("Columns of a pandas table", 4, "columns of a pandas table", ".to_numpy()"),
    ("Columns of a pandas table", "docs/guide/devices.md", "pandas", ".to_numpy()"),
    ("Batches, shuffling", 5, "DataLoader", "random order"),
    ("Batches, shuffling", 8, "shuffle=True"),
    ("Loading in parallel", 24, "num_workers", "other processes", "does not pay"),
    ("Loading in parallel", "minigrad/utils/data/dataloader.py", "num_workers", ">>>"),
    ("Epoch, batch size, how many steps that makes", 5, "*epoch* is one pass"),
    ("Epoch, batch size, how many steps that makes", 24, "1024"),
    ("Training, validation and test set", 8, "training images", "validation images", "test images", "random_split"),
    ("Training, validation and test set", 14, "**training**", "**validation**", "**test**"),
    ("A data set of your own", 18, "(Dataset)", "__getitem__", "__len__"),
    ("Augmentation: turn, push, flip, zoom", 14, "Data augmentation", "def wiggle", "def flip", "*zoom*", "rot90"),
    ("Zoom: other sizes of an image", "minigrad/nn/functional/interpolation.py", "def interpolate", ">>>"),
    # Judging and improving
    ("Accuracy, precision, recall, F1", 7, "*Accuracy*", "*Precision*", "*recall*", "*F1*", 'task="multiclass"'),
    ("A metric that was not told its task", "docs/guide/errors.md", "metrics.Accuracy()", "say which task"),
    ("Training loss against validation loss", 8, "validation loss", "eval()", "no_grad"),
    ("Training loss against validation loss", 14, "training loss", "validation loss"),
    ("The last, short batch", 5, "last batch"),
    ("The last, short batch", 18, "last batch"),
    ("Overfit a few samples first", 15, "One batch by heart"),
    ("Overfit a few samples first", 23, "Take *one* batch"),
    ("Early stopping", 8, "early stopping"),
    ("Early stopping", 14, "**Early stopping**", "deepcopy"),
    ("Weight decay, L2 and L1", 14, "weight_decay", "AdamW", "**L1 penalty**", "abs().sum()"),
    ("Underfitting: a larger model", 14, "**underfitting**"),
    ("Underfitting: a larger model", 15, "large enough"),
    ("Learning curves", 8, "How it learned"),
    ("Learning curves", 14, "_curves.png"),
    # Beyond
    ("Convolution, pooling, what a filter looks for", 19, "nn.Conv2d", "What the filters look for", "pool"),
    ("Recurrent networks, gates, clipping", 20, "nn.RNN", "Gates", "Clipping"),
    ("Attention, a network that writes", 21, "Attention", "Writing"),
    ("Hessian, Newton's method, the edge of stability", 22, "*Hessian*", "Newton's method", "The edge of stability"),
    ("Finding mistakes in a program", 23, "explain_grad", "detect_anomaly", "gradcheck"),
    ("Time and memory", 24, "*median*", "saved_for_backward", "*Checkpointing*"),
    ("Several processes", 25, "rank", "batch"),
]  # fmt: skip


def cells(topic):
    """Return the other two columns of a topic's row on the page."""
    found = re.findall(rf"^\| {re.escape(topic)} \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(found) == 1, topic
    return found[0]


def lessons(cell):
    """Return the lessons that a cell points to."""
    return [int(number) for numbers in re.findall(r"\{lessons\}`([\d, ]+)`", cell) for number in numbers.split(", ")]


def text_of(place):
    """Return the words of a lesson or of another file, with the marks and breaks of comments taken out."""
    if isinstance(place, int):
        (path,) = (ROOT / "tutorials").glob(f"{place:02d}_*.py")
    else:
        path = ROOT / place
    return " ".join(re.sub(r"^# ?", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE).split())


@pytest.mark.parametrize(("topic", "place", "words"), [(topic, place, words) for topic, place, *words in TOPICS])
def test_a_topic_is_taught_where_the_page_says(topic, place, words):
    where, _ = cells(topic)
    if isinstance(place, int):
        assert place in lessons(where)
    else:
        assert re.search(r"\]\([\w./]+\)", where)
    text = text_of(place).lower()
    assert words
    assert [word for word in words if " ".join(word.lower().split()) not in text] == []


def test_every_row_and_every_lesson_of_a_row_is_checked():
    rows = re.findall(r"^\| (.+?) \| (.*?) \| .* \|$", PAGE.split("## Where is")[1].split("## Slips")[0], re.MULTILINE)
    rows = [row for row in rows if row[0] not in ("Topic", "---")]
    assert len(rows) > 70
    said = {(topic, number) for topic, where in rows for number in lessons(where)}
    assert said == {(topic, place) for topic, place, *_ in TOPICS if isinstance(place, int)}
    assert {topic for topic, _ in rows} == {topic for topic, *_ in TOPICS}


def test_pages_that_rows_point_to_exist():
    links = re.findall(r"\]\(([\w./]+)\)", PAGE)
    assert len(links) >= 5
    written = [link for link in links if link.endswith(".md")]
    assert all((ROOT / "docs" / link).exists() for link in written)
    pytest.importorskip("numpydoc")
    import sys

    sys.path.insert(0, str(ROOT / "docs"))
    from generate import inventory, reference

    assert set(links) - set(written) <= set(reference.pages(inventory.rooms()))


def test_the_plan_has_every_lesson_once_and_in_order():
    plan = PAGE.split("## A plan for a term")[1].split("\n## ")[0]
    numbers = [int(number) for number in re.findall(r"\{lesson\}`(\d+)`", plan)]
    assert numbers == sorted(int(path.name[:2]) for path in (ROOT / "tutorials").glob("[0-9]*.py"))
    assert re.findall(r"(\d+)\. \{lesson\}`\1`", plan) == [str(number) for number in numbers]


def test_names_on_the_page_exist():
    """Whatever the third column calls by a dotted name can be imported from minigrad."""
    import minigrad
    import minigrad.func
    from minigrad import datasets, distributed, metrics, nn, optim, transforms, utils  # noqa: F401

    rooms = {"F": minigrad.nn.functional, "nn": nn, "optim": optim, "metrics": metrics, "func": minigrad.func,
             "datasets": datasets, "cuda": minigrad.cuda}  # fmt: skip
    rows = [line.rpartition(" | ")[2] for line in PAGE.splitlines() if line.startswith("| ")]
    names = [name for row in rows for name in re.findall(r"`([a-zA-Z]\w*(?:\.\w+)+)", row)]
    checked = 0
    for name in names:
        first, *others = name.split(".")
        if first in rooms:
            thing = rooms[first]
            for other in others:
                thing = getattr(thing, other)
            checked += 1
    assert checked > 25
