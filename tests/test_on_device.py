"""Every layer, function, optimizer and schedule on the device, beside itself on the CPU; nothing is read on the way.

Ops are checked one by one in ``tests/ops``; here are the public classes and functions made of them. One that is missing
in these tables fails the test.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn, optim
from minigrad.nn import functional as F
from minigrad.optim import lr_scheduler

# A layer, and what it is called with: x draws from the normal distribution and u from (0, 1), both with a gradient; k
# draws integers below its first argument; t makes a tensor of what is given.
MODULES = """
Identity() <- x(3)
Linear(4, 3) <- x(5, 4)
Bilinear(2, 3, 4) <- x(5, 2), x(5, 3)
Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)) <- x(5, 4)
Embedding(5, 3, padding_idx=0) <- k(5, 2, 4)
EmbeddingBag(5, 3, mode='max') <- k(5, 2, 4)
EmbeddingBag(5, 3) <- k(5, 6), t([0, 2, 2])
Flatten() <- x(2, 3, 4)
Unflatten(1, (2, 3)) <- x(2, 6)
Dropout(0.5) <- x(3, 4)
Dropout1d(0.5) <- x(2, 3, 4)
Dropout2d(0.5) <- x(2, 3, 4, 4)
Dropout3d(0.5) <- x(2, 3, 2, 2, 2)
AlphaDropout(0.5) <- x(3, 4)
FeatureAlphaDropout(0.5) <- x(2, 3, 4)
Conv1d(4, 6, 3, stride=2, padding=1, groups=2) <- x(2, 4, 9)
Conv2d(2, 4, 3, padding='same', padding_mode='reflect') <- x(2, 2, 5, 6)
Conv3d(2, 3, 2) <- x(2, 2, 3, 4, 3)
ConvTranspose1d(4, 2, 3, 2) <- x(2, 4, 5)
ConvTranspose2d(2, 4, 3, 2, output_padding=1) <- x(2, 2, 3, 4)
ConvTranspose3d(2, 3, 2) <- x(2, 2, 3, 2, 3)
Fold((4, 5), 2) <- x(2, 12, 12)
Unfold(2, padding=1) <- x(2, 3, 4, 5)
AvgPool1d(2) <- x(2, 3, 7)
AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False) <- x(2, 3, 6, 7)
AvgPool3d(2) <- x(2, 3, 4, 4, 5)
MaxPool1d(3, 2, return_indices=True) <- x(2, 3, 7)
MaxPool2d(2) <- x(2, 3, 6, 7)
MaxPool3d(2) <- x(2, 3, 4, 4, 5)
MaxUnpool1d(2) <- x(1, 2, 2), t([[[0, 3], [1, 2]]])
MaxUnpool2d(2) <- x(1, 1, 1, 2), t([[[[5, 2]]]])
MaxUnpool3d(2) <- x(1, 1, 1, 1, 2), t([[[[[9, 2]]]]])
LPPool1d(2, 3) <- u(2, 3, 7)
LPPool2d(2, 2) <- u(2, 3, 4, 4)
LPPool3d(3, 2) <- u(2, 3, 4, 4, 4)
AdaptiveAvgPool1d(3) <- x(2, 3, 7)
AdaptiveAvgPool2d((2, 3)) <- x(2, 3, 5, 7)
AdaptiveAvgPool3d(2) <- x(2, 3, 3, 4, 5)
AdaptiveMaxPool1d(3, return_indices=True) <- x(2, 3, 7)
AdaptiveMaxPool2d((2, 3)) <- x(2, 3, 5, 7)
AdaptiveMaxPool3d(2) <- x(2, 3, 3, 4, 5)
ZeroPad1d(2) <- x(2, 3, 4)
ZeroPad2d((1, 2, 0, -1)) <- x(2, 3, 4, 5)
ZeroPad3d(1) <- x(1, 2, 2, 3, 2)
ConstantPad1d(2, 1.5) <- x(2, 3, 4)
ConstantPad2d(1, 1.5) <- x(2, 3, 4, 5)
ConstantPad3d(1, 1.5) <- x(1, 2, 2, 3, 2)
ReflectionPad1d(2) <- x(2, 3, 4)
ReflectionPad2d(2) <- x(2, 3, 4, 5)
ReflectionPad3d(1) <- x(1, 2, 2, 3, 2)
ReplicationPad1d(2) <- x(2, 3, 4)
ReplicationPad2d(2) <- x(2, 3, 4, 5)
ReplicationPad3d(1) <- x(1, 2, 2, 3, 2)
CircularPad1d(2) <- x(2, 3, 4)
CircularPad2d(2) <- x(2, 3, 4, 5)
CircularPad3d(1) <- x(1, 2, 2, 3, 2)
BatchNorm1d(3) <- x(5, 3)
BatchNorm2d(3, momentum=None) <- x(4, 3, 2, 2)
BatchNorm3d(3) <- x(4, 3, 2, 2, 2)
InstanceNorm1d(3, affine=True, track_running_stats=True) <- x(4, 3, 5)
InstanceNorm2d(3) <- x(4, 3, 2, 3)
InstanceNorm3d(3) <- x(4, 3, 2, 2, 2)
LayerNorm((3, 4)) <- x(2, 3, 4)
GroupNorm(2, 4) <- x(3, 4, 5)
RMSNorm(4) <- x(3, 4)
LocalResponseNorm(3) <- x(2, 5, 3)
CosineSimilarity() <- x(3, 4), x(3, 4)
PairwiseDistance() <- x(3, 4), x(3, 4)
PixelShuffle(2) <- x(2, 8, 3, 2)
PixelUnshuffle(2) <- x(2, 2, 4, 6)
ChannelShuffle(2) <- x(2, 4, 3)
Upsample(scale_factor=2, mode='bicubic') <- x(2, 3, 4, 5)
UpsamplingNearest2d(scale_factor=2) <- x(2, 3, 4, 5)
UpsamplingBilinear2d(size=(7, 3)) <- x(2, 3, 4, 5)
RNN(3, 4, 2, bidirectional=True) <- x(5, 2, 3)
LSTM(3, 4, proj_size=2) <- x(5, 2, 3)
GRU(3, 4, batch_first=True) <- x(2, 5, 3)
RNNCell(3, 4, nonlinearity='relu') <- x(2, 3), x(2, 4)
LSTMCell(3, 4) <- x(2, 3), (x(2, 4), x(2, 4))
GRUCell(3, 4) <- x(2, 3)
MultiheadAttention(4, 2) <- x(3, 2, 4), x(5, 2, 4), x(5, 2, 4), t([[False] * 4 + [True]] * 2)
TransformerEncoderLayer(4, 2, 8, batch_first=True) <- x(2, 3, 4)
TransformerDecoderLayer(4, 2, 8) <- x(3, 2, 4), x(5, 2, 4)
TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2) <- x(3, 2, 4)
TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8), 2) <- x(3, 2, 4), x(5, 2, 4)
Transformer(4, 2, 1, 1, 8) <- x(3, 2, 4), x(5, 2, 4)
ReLU() <- x(3, 4)
ReLU6() <- x(3, 4)
LeakyReLU(0.2) <- x(3, 4)
PReLU(4) <- x(3, 4)
RReLU() <- x(3, 4)
ELU() <- x(3, 4)
CELU(0.5) <- x(3, 4)
SELU() <- x(3, 4)
GELU() <- x(3, 4)
GELU('tanh') <- x(3, 4)
SiLU() <- x(3, 4)
Mish() <- x(3, 4)
GLU() <- x(3, 4)
Sigmoid() <- x(3, 4)
LogSigmoid() <- x(3, 4)
Tanh() <- x(3, 4)
Tanhshrink() <- x(3, 4)
Hardtanh() <- x(3, 4)
Hardsigmoid() <- x(3, 4)
Hardswish() <- x(3, 4)
Hardshrink() <- x(3, 4)
Softshrink() <- x(3, 4)
Softsign() <- x(3, 4)
Softplus(2, 1.5) <- x(3, 4)
Softmax(1) <- x(3, 4)
Softmax2d() <- x(2, 3, 2, 2)
Softmin(1) <- x(3, 4)
LogSoftmax(1) <- x(3, 4)
Threshold(0.1, -1.0) <- x(3, 4)
L1Loss() <- x(3, 4), x(3, 4)
MSELoss(reduction='sum') <- x(3, 4), x(3, 4)
SmoothL1Loss() <- x(3, 4), x(3, 4)
HuberLoss(delta=0.5) <- x(3, 4), x(3, 4)
CrossEntropyLoss(t([1.0, 2.0, 3.0]), label_smoothing=0.1) <- x(5, 3), k(3, 5)
NLLLoss(ignore_index=1) <- x(5, 3).log_softmax(1), k(3, 5)
BCELoss() <- u(3, 4), u(3, 4)
BCEWithLogitsLoss(pos_weight=t([2.0])) <- x(3, 4), u(3, 4)
KLDivLoss(reduction='batchmean') <- x(3, 4).log_softmax(1), u(3, 4)
PoissonNLLLoss(full=True) <- x(3, 4), 3 * u(3, 4).detach()
GaussianNLLLoss() <- x(3, 4), x(3, 4), u(3, 4)
CosineEmbeddingLoss(0.1) <- x(3, 4), x(3, 4), t([1, -1, 1])
HingeEmbeddingLoss() <- x(3), t([1, -1, 1])
MarginRankingLoss(0.1) <- x(3), x(3), t([1, -1, 1])
SoftMarginLoss() <- x(3), t([1, -1, 1])
MultiMarginLoss() <- x(5, 3), k(3, 5)
MultiLabelMarginLoss() <- x(2, 4), t([[3, 0, -1, 1], [1, -1, 0, 0]])
MultiLabelSoftMarginLoss() <- x(2, 4), k(2, 2, 4)
TripletMarginLoss(swap=True) <- x(3, 4), x(3, 4), x(3, 4)
TripletMarginWithDistanceLoss() <- x(3, 4), x(3, 4), x(3, 4)
CTCLoss() <- x(6, 2, 3).log_softmax(2), t([[1, 2], [2, 2]]), (6, 5), (2, 2)
"""
NOT_HERE = {
    *("Module", "Parameter", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"),  # compute nothing
    *("RNNBase", "RNNCellBase"),  # of RNN and RNNCell
    *("FractionalMaxPool2d", "FractionalMaxPool3d"),  # refused
}
DRAW = ("Dropout", "AlphaDropout", "FeatureAlphaDropout", "RReLU", "Transformer")  # each device numbers of its own

# Functions, in the same words.
FUNCTIONS = """
adaptive_avg_pool1d(x(2, 3, 7), 3)
adaptive_avg_pool2d(x(2, 3, 5, 7), (2, 3))
adaptive_avg_pool3d(x(2, 3, 3, 4, 5), 2)
adaptive_max_pool1d(x(2, 3, 7), 3)
adaptive_max_pool2d(x(2, 3, 5, 7), (2, 3), return_indices=True)
adaptive_max_pool3d(x(2, 3, 3, 4, 5), 2)
affine_grid(x(2, 2, 3), (2, 1, 3, 4))
alpha_dropout(x(3, 4), training=False)
avg_pool1d(x(2, 3, 7), 2)
avg_pool2d(x(2, 3, 6, 7), 2, divisor_override=3)
avg_pool3d(x(2, 3, 4, 4, 5), 2)
batch_norm(x(6, 3), t([0.0] * 3), t([1.0] * 3), x(3), x(3), training=True)
batch_norm(x(6, 3), t([0.1] * 3), t([2.0] * 3))
bilinear(x(5, 2), x(5, 3), x(4, 2, 3))
binary_cross_entropy(u(3, 4), u(3, 4), weight=u(4).detach())
binary_cross_entropy_with_logits(x(3, 4), u(3, 4))
celu(x(3, 4), 0.5)
celu_(1 * x(3, 4))
channel_shuffle(x(2, 4, 3), 2)
conv1d(x(2, 4, 9), x(6, 2, 3), x(6), groups=2)
conv2d(x(2, 2, 5, 6), x(3, 2, 3, 2), None, 2, 1)
conv3d(x(2, 2, 3, 4, 3), x(3, 2, 2, 2, 2))
conv_transpose1d(x(2, 4, 5), x(4, 2, 3), stride=2)
conv_transpose2d(x(2, 2, 3, 4), x(2, 3, 3, 3), padding=1)
conv_transpose3d(x(2, 2, 3, 2, 3), x(2, 3, 2, 2, 2))
cosine_embedding_loss(x(3, 4), x(3, 4), t([1, -1, 1]))
cosine_similarity(x(3, 4), x(3, 4))
cross_entropy(x(5, 3), k(3, 5))
cross_entropy(x(5, 3, 2), k(3, 5, 2), t([1.0, 2.0, 0.5]), ignore_index=1)
cross_entropy(x(5, 3), x(5, 3).softmax(1), label_smoothing=0.1)
ctc_loss(x(6, 2, 3).log_softmax(2), t([1, 2, 2, 2]), (6, 5), (2, 2), zero_infinity=True)
dropout(x(3, 4), training=False)
dropout1d(x(2, 3, 4), training=False)
dropout2d(x(2, 3, 4, 4), training=False)
dropout3d(x(2, 3, 2, 2, 2), training=False)
elu(x(3, 4))
elu_(1 * x(3, 4))
embedding(k(5, 2, 3), x(5, 3), 1, 1.0, scale_grad_by_freq=True)
embedding_bag(k(5, 6), x(5, 3), t([0, 2, 4]), mode='sum', per_sample_weights=x(6))
feature_alpha_dropout(x(2, 3, 4), training=False)
fold(x(2, 12, 12), (4, 5), 2)
gaussian_nll_loss(x(3, 4), x(3, 4), u(3, 4), full=True)
gelu(x(3, 4))
glu(x(3, 4), 1)
grid_sample(x(2, 3, 4, 5), x(2, 3, 2, 2).tanh(), mode='nearest', align_corners=False)
grid_sample(x(2, 3, 4, 5), x(2, 3, 2, 2), padding_mode='border', align_corners=True)
group_norm(x(3, 4, 5), 2, x(4), x(4))
hardshrink(x(3, 4))
hardsigmoid(x(3, 4))
hardswish(x(3, 4))
hardtanh(x(3, 4))
hardtanh_(1 * x(3, 4))
hinge_embedding_loss(x(3), t([1, -1, 1]), 0.5)
huber_loss(x(3, 4), x(3, 4), delta=0.5)
instance_norm(x(4, 3, 5), weight=x(3))
interpolate(x(2, 3, 4, 5), (7, 3), mode='bilinear', align_corners=True)
interpolate(x(2, 3, 4), scale_factor=1.7, mode='linear', recompute_scale_factor=True)
interpolate(x(2, 3, 4, 5), (7, 3), mode='area')
kl_div(x(3, 4), x(3, 4), log_target=True, reduction='sum')
l1_loss(x(3, 4), x(3, 4))
layer_norm(x(3, 4), (4,), x(4), x(4))
leaky_relu(x(3, 4))
leaky_relu_(1 * x(3, 4))
linear(x(5, 4), x(3, 4), x(3))
local_response_norm(x(2, 5, 3), 3)
log_softmax(x(3, 4), 1)
logsigmoid(x(3, 4))
lp_pool1d(u(2, 3, 7), 2, 3)
lp_pool2d(u(2, 3, 4, 4), 3, 2)
lp_pool3d(u(2, 3, 4, 4, 4), 2, 2)
margin_ranking_loss(x(3), x(3), t([1, -1, 1]))
max_pool1d(x(2, 3, 7), 3, 2)
max_pool2d(x(2, 3, 6, 7), 3, 2, 1, return_indices=True)
max_pool3d(x(2, 3, 4, 4, 5), 2)
max_unpool1d(x(1, 2, 2), t([[[0, 3], [1, 2]]]), 2)
max_unpool2d(x(1, 1, 1, 2), t([[[[5, 2]]]]), 2)
max_unpool3d(x(1, 1, 1, 1, 2), t([[[[[9, 2]]]]]), 2)
mish(x(3, 4))
mse_loss(x(3, 4), x(3, 4), weight=u(3, 4).detach())
multi_head_attention_forward(*[x(3, 2, 4)] * 3, 4, 2, x(12, 4), x(12), x(1, 1, 4), x(1, 1, 4), True, 0.0, x(4, 4), x(4))
multi_margin_loss(x(5, 3), k(3, 5), p=2, weight=t([1.0, 2.0, 3.0]))
multilabel_margin_loss(x(2, 4), t([[3, 0, -1, 1], [1, -1, 0, 0]]))
multilabel_soft_margin_loss(x(2, 4), k(2, 2, 4))
nll_loss(x(5, 3), k(3, 5), t([1.0, 2.0, 3.0]))
normalize(x(3, 4))
one_hot(k(3, 5), 3).float() * x(5, 3)
pad(x(2, 3, 4), (1, 2), mode='circular')
pad(x(2, 3, 4), (1, -1, 2, 0), value=1.5)
pairwise_distance(x(3, 4), x(3, 4), 3.0)
pdist(x(5, 3))
pixel_shuffle(x(2, 8, 3, 2), 2)
pixel_unshuffle(x(2, 2, 4, 6), 2)
poisson_nll_loss(x(3, 4), u(3, 4).detach())
prelu(x(2, 3, 4), x(3))
relu(x(3, 4))
relu_(1 * x(3, 4))
relu6(x(3, 4))
rms_norm(x(3, 4), (4,), x(4))
rrelu(x(3, 4))
rrelu_(1 * x(3, 4))
scaled_dot_product_attention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), t([[True] * 4 + [False]] * 3))
scaled_dot_product_attention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), is_causal=True)
selu(x(3, 4))
selu_(1 * x(3, 4))
sigmoid(x(3, 4))
silu(x(3, 4))
smooth_l1_loss(x(3, 4), x(3, 4), beta=0.5)
soft_margin_loss(x(3), t([1, -1, 1]))
softmax(x(3, 4), 1)
softmin(x(3, 4), 1)
softplus(x(3, 4))
softshrink(x(3, 4))
softsign(x(3, 4))
tanh(x(3, 4))
tanhshrink(x(3, 4))
threshold(x(3, 4), 0.1, 1.0)
threshold_(1 * x(3, 4), 0.1, 1.0)
triplet_margin_loss(x(3, 4), x(3, 4), x(3, 4))
triplet_margin_with_distance_loss(x(3, 4), x(3, 4), x(3, 4), distance_function=lambda a, b: (a - b).abs().sum(1))
unfold(x(2, 3, 4, 5), 2)
"""
NO_FUNCTION_HERE = {
    *("fractional_max_pool2d", "fractional_max_pool3d"),  # refused
    "gumbel_softmax",  # draws numbers, in every mode
}
RANDOM = """
alpha_dropout(x(3, 4), training=True)
dropout(x(3, 4))
dropout1d(x(2, 3, 4))
dropout2d(x(2, 3, 4, 4))
dropout3d(x(2, 3, 2, 2, 2))
feature_alpha_dropout(x(2, 3, 4), training=True)
gumbel_softmax(x(3, 4), hard=True)
rrelu(x(3, 4), training=True)
scaled_dot_product_attention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), dropout_p=0.5)
"""
READ = {
    "LBFGS",  # decides by what it finds
    "one_hot",  # refuses labels out of range, for which integers have no NaN
}

SCHEDULES = {
    "LambdaLR": lambda opt: lr_scheduler.LambdaLR(opt, lambda k: 0.9**k),
    "MultiplicativeLR": lambda opt: lr_scheduler.MultiplicativeLR(opt, lambda k: 0.9),
    "StepLR": lambda opt: lr_scheduler.StepLR(opt, 2),
    "MultiStepLR": lambda opt: lr_scheduler.MultiStepLR(opt, [1, 3]),
    "ConstantLR": lambda opt: lr_scheduler.ConstantLR(opt),
    "LinearLR": lambda opt: lr_scheduler.LinearLR(opt),
    "ExponentialLR": lambda opt: lr_scheduler.ExponentialLR(opt, 0.9),
    "PolynomialLR": lambda opt: lr_scheduler.PolynomialLR(opt, 4),
    "CosineAnnealingLR": lambda opt: lr_scheduler.CosineAnnealingLR(opt, 4),
    "CosineAnnealingWarmRestarts": lambda opt: lr_scheduler.CosineAnnealingWarmRestarts(opt, 2),
    "CyclicLR": lambda opt: lr_scheduler.CyclicLR(opt, 0.01, 0.1, 2),
    "OneCycleLR": lambda opt: lr_scheduler.OneCycleLR(opt, 0.1, total_steps=6),
    "ReduceLROnPlateau": lambda opt: lr_scheduler.ReduceLROnPlateau(opt, patience=1),
    "ChainedScheduler": lambda opt: lr_scheduler.ChainedScheduler(
        [lr_scheduler.LinearLR(opt), lr_scheduler.StepLR(opt, 2)]
    ),
    "SequentialLR": lambda opt: lr_scheduler.SequentialLR(
        opt, [lr_scheduler.LinearLR(opt), lr_scheduler.StepLR(opt, 2)], [2]
    ),
}


class Draws:
    """The inputs of a line: the same numbers on every device, and those that want a gradient in a list."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.rng = np.random.default_rng(0)
        self.leaves: list[Any] = []
        self.names = {"nn": nn, "F": F, "x": self.x, "u": self.u, "k": self.k, "t": self.t}

    def t(self, values: Any) -> Any:
        return minigrad.tensor(values).to(self.device)

    def k(self, high: int, *shape: int) -> Any:
        return self.t(self.rng.integers(high, size=shape))

    def _leaf(self, array: Any) -> Any:
        self.leaves.append(self.t(array.astype(np.float32)).requires_grad_())
        return self.leaves[-1]

    def x(self, *shape: int) -> Any:
        return self._leaf(self.rng.standard_normal(shape))

    def u(self, *shape: int) -> Any:
        return self._leaf(self.rng.uniform(0.05, 0.95, shape))

    def __call__(self, expression: str) -> Any:
        return eval(expression, self.names)


@pytest.fixture(autouse=True)
def cp() -> Iterator[Any]:
    with strict_cupy.installed() as cp, warnings.catch_warnings(action="error"):
        yield cp


def tensors(result: Any) -> list[Any]:
    """Return the tensors in a result, however deep in tuples."""
    if isinstance(result, (tuple, list)):
        return [x for part in result for x in tensors(part)]
    return [] if result is None else [result]


def backward(result: Any) -> None:
    """Differentiate a weighted sum of all that has a gradient."""
    parts = [y for y in tensors(result) if y.requires_grad]
    sum(((y * y).sum() + y.sum() for y in parts[1:]), (parts[0] * parts[0]).sum() + parts[0].sum()).backward()


def same(here: list[Any], there: list[Any]) -> None:
    assert len(here) == len(there)
    for a, b in zip(here, there, strict=True):
        assert str(b.device) == "cuda:0" and a.dtype == b.dtype
        np.testing.assert_allclose(b.detach().cpu().numpy(), a.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("line", MODULES.strip().splitlines())
def test_layers(line: str, cp: Any) -> None:
    program, arguments = line.split(" <- ")
    draw = {device: Draws(device) for device in ("cpu", "cuda")}
    minigrad.manual_seed(0)
    layer = {"cpu": draw["cpu"](f"nn.{program}")}
    layer["cuda"] = copy.deepcopy(layer["cpu"]).to("cuda")
    given = {device: draw[device](f"({arguments},)") for device in draw}
    results: dict[str, list[Any]] = {}
    for device in draw:
        if program.startswith(DRAW):
            layer[device].eval()
        params = list(layer[device].parameters())
        before = cp.syncs
        y = layer[device](*given[device])
        backward(y)
        if params:
            optim.SGD(params, lr=0.1, momentum=0.9).step()
        assert cp.syncs == before
        gradients = [p.grad for p in (*params, *draw[device].leaves) if p.grad is not None]
        results[device] = [*tensors(y), *gradients, *params, *layer[device].buffers()]
    same(results["cpu"], results["cuda"])


@pytest.mark.parametrize("line", [line for line in MODULES.strip().splitlines() if line.startswith(DRAW)])
def test_random_layers_in_training(line: str, cp: Any) -> None:
    program, arguments = line.split(" <- ")
    draw = Draws("cuda")
    layer = draw(f"nn.{program}").to("cuda")
    given = draw(f"({arguments},)")
    before = cp.syncs
    y = layer(*given)
    backward(y)
    assert cp.syncs == before
    assert all(str(z.device) == "cuda:0" for z in (*tensors(y), *(x.grad for x in draw.leaves)))


def test_every_layer_is_here() -> None:
    public = {name for name, value in vars(nn).items() if isinstance(value, type) and not name.startswith("_")}
    assert {line.partition("(")[0] for line in MODULES.split("\n") if line} == public - NOT_HERE


@pytest.mark.parametrize("call", FUNCTIONS.strip().splitlines())
def test_functions(call: str, cp: Any) -> None:
    results = {}
    for device in ("cpu", "cuda"):
        draw = Draws(device)
        before = cp.syncs
        y = draw(f"F.{call}")
        backward(y)
        assert cp.syncs == before or (device == "cuda" and call.partition("(")[0] in READ)
        results[device] = [*tensors(y), *(x.grad for x in draw.leaves if x.grad is not None)]
    assert len(results["cpu"]) > 1
    same(results["cpu"], results["cuda"])


@pytest.mark.parametrize("call", RANDOM.strip().splitlines())
def test_random_functions(call: str, cp: Any) -> None:
    draw = Draws("cuda")
    before = cp.syncs
    y = draw(f"F.{call}")
    backward(y)
    assert cp.syncs == before
    assert all(str(z.device) == "cuda:0" for z in (y, *(x.grad for x in draw.leaves)))


def test_every_function_is_here() -> None:
    public = {name for name, value in vars(F).items() if callable(value) and not name.startswith("_")}
    assert {line.partition("(")[0] for line in FUNCTIONS.split("\n") if line} == public - NO_FUNCTION_HERE
    assert {line.partition("(")[0] for line in RANDOM.split("\n") if line} >= {
        "gumbel_softmax",
        *F.regularization.__all__,
    }


def regression(device: str, optimizer: Any, scheduler: Any = None, steps: int = 6) -> tuple[list[Any], list[float]]:
    """Fit a line of matrices; return what was learned and the rates it was learned with."""
    draw = Draws(device)
    x, target, w = draw.x(20, 3).detach(), draw.x(20, 2).detach(), draw.x(2, 3)
    opt = optimizer([w])
    schedule = None if scheduler is None else scheduler(opt)
    rates = []

    def closure() -> Any:
        opt.zero_grad()
        loss = F.mse_loss(F.linear(x, w), target)
        loss.backward()
        return loss

    for _ in range(steps):
        opt.step(closure)
        if schedule is not None:
            schedule.step(1.0) if type(schedule).__name__ == "ReduceLROnPlateau" else schedule.step()
        rates.append(opt.param_groups[0]["lr"])
    return [w, w.grad], rates


@pytest.mark.parametrize(
    "name", [name for name in optim.__all__ if name not in ("Optimizer", "lr_scheduler", "swa_utils")]
)
def test_optimizers(name: str, cp: Any) -> None:
    make = lambda params: getattr(optim, name)(params, lr=0.01)
    here, _ = regression("cpu", make)
    before = cp.syncs
    there, _ = regression("cuda", make)
    assert (cp.syncs == before) == (name not in READ)
    same(here, there)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str, cp: Any) -> None:
    make = lambda params: optim.SGD(params, lr=0.1, momentum=0.9)
    here, expected = regression("cpu", make, SCHEDULES[name])
    before = cp.syncs
    there, rates = regression("cuda", make, SCHEDULES[name])
    assert cp.syncs == before
    assert rates == expected
    same(here, there)


def test_every_schedule_is_here() -> None:
    assert set(SCHEDULES) == set(lr_scheduler.__all__) - {"LRScheduler"}  # the base of all
