"""
A transformer that writes
=========================

Attention is a soft look-up: a question is compared with many keys, and the answer is a mean of their values, weighted
by how well each key fits. Here it is built from three matrix products and trained to look something up; then it grows
into a small language model that learns from ten sonnets, letter by letter, and writes its own.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import math
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim

parser = argparse.ArgumentParser(description="Attention from scratch, and a transformer that learns sonnets.")
parser.add_argument("--seed", type=int, default=0, help="for weights, batches and samples (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="few steps only, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
F = nn.functional
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# Attention
# ---------
# A dictionary answers the question "what belongs to this key?" if the key is in it, exactly. Attention does so for
# vectors, and by degrees. Each question q is compared with each key k by a dot product, the *score*. Softmax makes
# *weights* of the scores, positive and with the sum 1. The answer is the mean of the values v with these weights:
#
# .. math:: \operatorname{attention}(Q, K, V) = \operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{E}}\right) V
#
# E is the number of entries of a question. ``mask`` will be needed later: where it is False, one may not look.


def attention(q, k, v, mask=None):
    """q (..., L, E), k (..., S, E), v (..., S, V): return answers (..., L, V) and weights (..., L, S)."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


q, k, v = minigrad.randn(3, 2, 5, 8, dtype=minigrad.float64, device=args.device)
difference = (attention(q, k, v)[0] - F.scaled_dot_product_attention(q, k, v)).abs().max().item()
print(f"ours against scaled_dot_product_attention: largest difference {difference:.1e}")
assert difference < 1e-12

# %%
# Why the root? The dot product of two vectors of E random entries has a standard deviation of :math:`\sqrt{E}`. Without
# the division, long vectors make large scores, and softmax of large scores puts nearly all weight on one key. There it
# is flat, and hardly any gradient comes back: the look-up is stuck before it has learned what to look for. What you
# should see: with the root both numbers stay the same, without it the weight goes to 1 and the gradient to 0.

print("\n    E   largest of 10 weights   gradient        (without the root)")
for length in (4, 64, 1024):
    row = []
    for scale in (1 / math.sqrt(length), 1.0):
        q, k = (minigrad.randn(200, count, length, device=args.device) for count in (1, 10))
        scores = (q @ k.transpose(-2, -1) * scale).requires_grad_()
        weights = scores.softmax(dim=-1)
        weights.backward(minigrad.randn_like(weights))
        row += [weights.max(dim=-1).values.mean().item(), scores.grad.square().mean().sqrt().item()]
    print(f"{length:5d} {row[0]:23.2f} {row[1]:10.4f}        {row[2]:9.2f} {row[3]:10.4f}")

# %%
# A look-up to learn
# ------------------
# A toy: five pairs like B=3, drawn anew each time, then the questions "B?", "E?" and so on. Each pair is *one* vector,
# the sum of a learned vector for its letter and one for its digit. Nobody tells the network how to take it apart: three
# matrices, for questions, keys and values, have to find out. What you should see: the loss goes to zero, and in the map
# of the weights each question looks at the one pair with its letter.

LETTERS, DIGITS, PAIRS, WIDTH = 10, 10, 5, 24


class LookUp(nn.Module):
    def __init__(self):
        super().__init__()
        self.letter, self.digit = nn.Embedding(LETTERS, WIDTH), nn.Embedding(DIGITS, WIDTH)
        self.question, self.key, self.value = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        self.answer = nn.Linear(WIDTH, DIGITS)

    def forward(self, letters, digits, asked):
        pairs, asked = self.letter(letters) + self.digit(digits), self.letter(asked)
        found, weights = attention(self.question(asked), self.key(pairs), self.value(pairs))
        return self.answer(found), weights


def draw_pairs(count):
    """Return letters, digits, the same letters in another order as questions, and the digits that belong to them."""
    letters = minigrad.rand(count, LETTERS, device=args.device).argsort(dim=1)[:, :PAIRS]
    digits = minigrad.randint(0, DIGITS, (count, PAIRS), device=args.device)
    order = minigrad.rand(count, PAIRS, device=args.device).argsort(dim=1)
    return letters, digits, letters.gather(1, order), digits.gather(1, order)


lookup = LookUp().to(args.device)
optimizer = optim.Adam(lookup.parameters(), lr=0.005)
for _ in range(100 if args.quick else 500):
    letters, digits, asked, right = draw_pairs(64)
    scores, _ = lookup(letters, digits, asked)
    loss = F.cross_entropy(scores.reshape(-1, DIGITS), right.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
letters, digits, asked, right = draw_pairs(500)
with minigrad.no_grad():
    scores, weights = lookup(letters, digits, asked)
found = (scores.argmax(dim=-1) == right).float().mean().item()
print(f"\nlook-up: loss {loss.item():.4f}, {found:.1%} of new questions answered rightly (guessing: 10 %)")

figure, axis = plt.subplots(figsize=(4.6, 4), layout="constrained")
drawn = axis.imshow(weights[0].cpu(), cmap="Blues", vmin=0, vmax=1)
axis.set_xticks(range(PAIRS), [f"{chr(65 + a)}={n}" for a, n in zip(letters[0].tolist(), digits[0].tolist())])
axis.set_yticks(range(PAIRS), [f"{chr(65 + a)}?" for a in asked[0].tolist()])
axis.set(xlabel="pair", ylabel="question", title="Each question finds its pair")
figure.colorbar(drawn, label="weight", shrink=0.8)
figure.savefig(args.out / "21_lookup.png", dpi=120)

# %%
# Where am I?
# -----------
# Attention sees a *set*: shuffle keys and values together, and nothing changes. But "man bites dog" is not "dog bites
# man". So each place in a text gets a vector of its own, its *code*, which is added to the vector of the letter. The
# codes of Vaswani and others (2017) are sines and cosines of many wavelengths, like the hands of many clocks. What you
# should see: on the left no two rows alike; on the right the dot products of all codes with each other, which depend on
# the distance of the two places alone. So a question can ask for "three letters back".


def position_codes(places, width):
    """Row p: sin and cos of p times width / 2 frequencies, from 1 down to about 1 / 1000."""
    angles = minigrad.arange(places)[:, None] * 1000.0 ** (-minigrad.arange(0, width, 2) / width)
    return minigrad.stack([angles.sin(), angles.cos()], dim=2).reshape(places, width)


shuffled = minigrad.randperm(10, device=args.device)
difference = (attention(q, k, k)[0] - attention(q, k[:, shuffled], k[:, shuffled])[0]).abs().max().item()
print(f"answers before and after shuffling: largest difference {difference:.1e}")
assert difference < 1e-5
codes = position_codes(32, 48)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
figure.colorbar(left.imshow(codes, cmap="PuOr_r", aspect="auto"), ax=left)
left.set(xlabel="entry of the code", ylabel="place in the text", title="A code for each place")
figure.colorbar(right.imshow(codes @ codes.T, cmap="Blues"), ax=right)
right.set(xlabel="place", ylabel="place", title="Dot products: alike if near")
figure.savefig(args.out / "21_positions.png", dpi=120)

# %%
# Ten sonnets
# -----------
# The text to learn from: ten of Shakespeare's sonnets of 1609, here in modern spelling, " / " for the end of a verse.
# Six thousand letters are very few; big models read a billion times as much. The last sonnet is held out: the network
# never learns from it, so it says honestly how well the next letter is guessed in unseen verses. The *loss* is the mean
# of -log(probability given to the letter that came), and two simple guessers say what is good:
#
# - the *uniform* one gives each of the 35 letters and signs the same probability;
# - the *bigram* knows how often each letter followed each other one in the nine sonnets.

SONNETS = """
When I do count the clock that tells the time, / And see the brave day sunk in hideous night;
When I behold the violet past prime, / And sable curls all silvered o'er with white;
When lofty trees I see barren of leaves, / Which erst from heat did canopy the herd,
And summer's green all girded up in sheaves / Borne on the bier with white and bristly beard;
Then of thy beauty do I question make, / That thou among the wastes of time must go,
Since sweets and beauties do themselves forsake / And die as fast as they see others grow;
And nothing 'gainst Time's scythe can make defence / Save breed, to brave him when he takes thee hence.

Shall I compare thee to a summer's day? / Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May, / And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines, / And often is his gold complexion dimmed;
And every fair from fair sometime declines, / By chance or nature's changing course untrimmed;
But thy eternal summer shall not fade, / Nor lose possession of that fair thou owest;
Nor shall Death brag thou wanderest in his shade, / When in eternal lines to time thou growest:
So long as men can breathe or eyes can see, / So long lives this, and this gives life to thee.

When, in disgrace with fortune and men's eyes, / I all alone beweep my outcast state,
And trouble deaf heaven with my bootless cries, / And look upon myself, and curse my fate,
Wishing me like to one more rich in hope, / Featured like him, like him with friends possessed,
Desiring this man's art and that man's scope, / With what I most enjoy contented least;
Yet in these thoughts myself almost despising, / Haply I think on thee, and then my state,
Like to the lark at break of day arising / From sullen earth, sings hymns at heaven's gate;
For thy sweet love remembered such wealth brings / That then I scorn to change my state with kings.

When to the sessions of sweet silent thought / I summon up remembrance of things past,
I sigh the lack of many a thing I sought, / And with old woes new wail my dear time's waste:
Then can I drown an eye, unused to flow, / For precious friends hid in death's dateless night,
And weep afresh love's long since cancelled woe, / And moan the expense of many a vanished sight:
Then can I grieve at grievances foregone, / And heavily from woe to woe tell o'er
The sad account of fore-bemoaned moan, / Which I new pay as if not paid before.
But if the while I think on thee, dear friend, / All losses are restored and sorrows end.

Like as the waves make towards the pebbled shore, / So do our minutes hasten to their end;
Each changing place with that which goes before, / In sequent toil all forwards do contend.
Nativity, once in the main of light, / Crawls to maturity, wherewith being crowned,
Crooked eclipses 'gainst his glory fight, / And Time that gave doth now his gift confound.
Time doth transfix the flourish set on youth / And delves the parallels in beauty's brow,
Feeds on the rarities of nature's truth, / And nothing stands but for his scythe to mow:
And yet to times in hope my verse shall stand, / Praising thy worth, despite his cruel hand.

Since brass, nor stone, nor earth, nor boundless sea, / But sad mortality o'ersways their power,
How with this rage shall beauty hold a plea, / Whose action is no stronger than a flower?
O, how shall summer's honey breath hold out / Against the wrackful siege of battering days,
When rocks impregnable are not so stout, / Nor gates of steel so strong, but Time decays?
O fearful meditation! where, alack, / Shall Time's best jewel from Time's chest lie hid?
Or what strong hand can hold his swift foot back? / Or who his spoil of beauty can forbid?
O, none, unless this miracle have might, / That in black ink my love may still shine bright.

No longer mourn for me when I am dead / Than you shall hear the surly sullen bell
Give warning to the world that I am fled / From this vile world, with vilest worms to dwell:
Nay, if you read this line, remember not / The hand that writ it; for I love you so
That I in your sweet thoughts would be forgot / If thinking on me then should make you woe.
O, if, I say, you look upon this verse / When I perhaps compounded am with clay,
Do not so much as my poor name rehearse, / But let your love even with my life decay,
Lest the wise world should look into your moan / And mock you with me after I am gone.

That time of year thou mayst in me behold / When yellow leaves, or none, or few, do hang
Upon those boughs which shake against the cold, / Bare ruined choirs, where late the sweet birds sang.
In me thou seest the twilight of such day / As after sunset fadeth in the west,
Which by and by black night doth take away, / Death's second self, that seals up all in rest.
In me thou seest the glowing of such fire / That on the ashes of his youth doth lie,
As the death-bed whereon it must expire, / Consumed with that which it was nourished by.
This thou perceivest, which makes thy love more strong, / To love that well which thou must leave ere long.

Let me not to the marriage of true minds / Admit impediments. Love is not love
Which alters when it alteration finds, / Or bends with the remover to remove:
O no! it is an ever-fixed mark / That looks on tempests and is never shaken;
It is the star to every wandering bark, / Whose worth's unknown, although his height be taken.
Love's not Time's fool, though rosy lips and cheeks / Within his bending sickle's compass come;
Love alters not with his brief hours and weeks, / But bears it out even to the edge of doom.
If this be error and upon me proved, / I never writ, nor no man ever loved.

My mistress' eyes are nothing like the sun; / Coral is far more red than her lips' red;
If snow be white, why then her breasts are dun; / If hairs be wires, black wires grow on her head.
I have seen roses damasked, red and white, / But no such roses see I in her cheeks;
And in some perfumes is there more delight / Than in the breath that from my mistress reeks.
I love to hear her speak, yet well I know / That music hath a far more pleasing sound;
I grant I never saw a goddess go; / My mistress, when she walks, treads on the ground:
And yet, by heaven, I think my love as rare / As any she belied with false compare.
"""

poems = [poem.lower() for poem in SONNETS.strip().replace(" / ", "\n").split("\n\n")]
letters = sorted(set("\n\n".join(poems)))
number = {letter: n for n, letter in enumerate(letters)}


def encoded(text):
    return minigrad.tensor([number[letter] for letter in text], device=args.device)


train_text, held_out = encoded("\n\n".join(poems[:-1])), encoded(poems[-1])
counts = np.full((len(letters), len(letters)), 0.1)  # not 0: what was never seen may still happen
before, after = train_text[:-1].cpu().numpy(), train_text[1:].cpu().numpy()
np.add.at(counts, (before, after), 1)
surprise = -np.log(counts / counts.sum(axis=1, keepdims=True))
uniform = math.log(len(letters))
bigram = surprise[held_out[:-1].cpu().numpy(), held_out[1:].cpu().numpy()].mean()
print(f"\n{len(train_text)} letters to learn from, {len(held_out)} held out, {len(letters)} different ones")

# %%
# The writer
# ----------
# A *transformer* is a stack of blocks. In each, every place first looks at other places (attention, several times side
# by side: the *heads*, each with matrices of its own), then passes through a small network by itself. Both only *add*
# to what is there, so gradients have a straight way back. ``nn.TransformerEncoderLayer`` is such a block; its code in
# ``minigrad/nn/transformer.py`` is short.
#
# At every place the writer predicts the next letter. So no place may see what comes later, or it could just copy the
# answer. That is what the *causal mask* is for; it turns one text of 32 letters into 32 exercises. (Beware: in our own
# function and in ``scaled_dot_product_attention``, True in a mask means "may look", in the layers of ``nn`` "may not".)

PLACES, WIDTH = 32, 48


class Writer(nn.Module):
    def __init__(self, causal=True):
        super().__init__()
        self.letter = nn.Embedding(len(letters), WIDTH)
        block = nn.TransformerEncoderLayer(WIDTH, nhead=4, dim_feedforward=192, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, num_layers=2, norm=nn.LayerNorm(WIDTH))
        self.next_letter = nn.Linear(WIDTH, len(letters))
        self.register_buffer("codes", position_codes(PLACES, WIDTH), persistent=False)
        late = minigrad.ones(PLACES, PLACES, dtype=minigrad.bool).triu(1)  # above the diagonal: may not look
        self.register_buffer("late", late if causal else minigrad.zeros_like(late), persistent=False)

    def forward(self, text):
        n = text.shape[1]
        return self.next_letter(self.blocks(self.letter(text) + self.codes[:n], mask=self.late[:n, :n]))


def loss_on(model, windows):
    """Mean surprise in windows of 33 letters: 32 to read, and the 32 that come next."""
    return F.cross_entropy(model(windows[:, :-1]).reshape(-1, len(letters)), windows[:, 1:].reshape(-1))


def windows_at(text, starts):
    return text[starts[:, None] + minigrad.arange(PLACES + 1, device=text.device)]


def held_out_loss(model):
    starts = minigrad.arange(0, len(held_out) - PLACES, 8, device=args.device)
    model.eval()
    with minigrad.no_grad():
        loss = loss_on(model, windows_at(held_out, starts)).item()
    model.train()
    return loss


def train(model, steps):
    """Return the loss of each step, and (step, held-out loss) now and then."""
    optimizer = optim.AdamW(model.parameters(), lr=0.004, weight_decay=0.5)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.004, total_steps=steps, pct_start=0.1)
    losses, held = [], []
    for step in range(steps):
        starts = minigrad.randint(0, len(train_text) - PLACES, (16,), device=args.device)
        loss = loss_on(model, windows_at(train_text, starts))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % (steps // 20) == 0 or step == steps - 1:
            held.append((step, held_out_loss(model)))
    return np.array(losses), np.array(held)


minigrad.manual_seed(args.seed)
writer = Writer().to(args.device)
losses, held = train(writer, 100 if args.quick else 1500)
final = held[-1, 1]
print(f"{sum(parameter.numel() for parameter in writer.parameters()):,} parameters")
print(f"\nheld-out sonnet: uniform {uniform:.3f}, bigram {bigram:.3f}, transformer {final:.3f}")

# %%
# What you should see: in a few dozen steps the network learns which letters are common, then it reaches the bigram, and
# then it learns to use more than one letter of the past. On the nine sonnets it gets better and better, as it begins to
# know them by heart; on the tenth the gain soon ends. Without the strong weight decay the tenth would get worse again
# (exercise 2).

figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
axis.plot(losses, color=BLUE, linewidth=0.5, alpha=0.35)
smooth = losses.reshape(20, -1).mean(axis=1)
middles = len(losses) / 20 * (np.arange(20) + 0.5)
axis.plot(middles, smooth, color=BLUE, linewidth=2, label="nine sonnets (batches, with dropout)")
axis.plot(*held.T, color=RED, marker="o", markersize=4, label="held-out sonnet")
for height, name, dashes in ((uniform, "uniform", ":"), (bigram, "bigram on the held-out sonnet", "--")):
    axis.axhline(height, color="0.4", linestyle=dashes, label=name)
axis.set(xlabel="steps", ylabel="loss: -log p(next letter)", title="Better than counting pairs of letters")
axis.legend(frameon=False, loc="center right", bbox_to_anchor=(1, 0.68))
figure.savefig(args.out / "21_learning.png", dpi=120)

# %%
# Writing
# -------
# To write, draw the next letter with the probabilities that the network gives, append it, and ask again. The scores are
# divided by a number first, the *temperature*. Below 1 the likely gets likelier: safe, and soon repetitive. Above 1 all
# come closer together: bold, and soon nonsense. What you should see: no sense, of course. At 0.3 the shortest words of
# English, over and over; at 0.8 words that could be English, in verses; at 1.5 mostly noise.


def write(model, temperature, start="shall ", length=160):
    text = encoded(start)
    model.eval()
    with minigrad.no_grad():
        for _ in range(length):
            scores = model(text[None, -PLACES:])[0, -1]
            text = minigrad.cat([text, minigrad.multinomial((scores / temperature).softmax(dim=0), 1)])
    model.train()
    return "".join(letters[n] for n in text.tolist())


for temperature in (0.3, 0.8, 1.5):
    print(f"\n--- temperature {temperature}\n{write(writer, temperature)}")

# %%
# Where it looks
# --------------
# The weights of the four heads in the first block, while it reads a verse. Row: the letter that is being read; column:
# the letters it looks at. What you should see: everything above the diagonal is white, as the future is masked. No head
# looks far back, a few letters are what they have found useful. They do not all look at the same ones, and some letters
# are looked at by several that follow: the short dark columns.

writer.eval()  # without it, dropout would punch holes into the picture
verse = "so long lives this, and this "
x = writer.letter(encoded(verse)[None]) + writer.codes[: len(verse)]
block = writer.blocks.layers[0]
with minigrad.no_grad():
    x = block.norm1(x)
    late = writer.late[: len(verse), : len(verse)]
    _, heads = block.self_attn(x, x, x, attn_mask=late, average_attn_weights=False)
figure, axes = plt.subplots(1, 4, figsize=(13, 3.9), layout="constrained")
for n, (axis, weights) in enumerate(zip(axes, heads[0].cpu().numpy(), strict=True), start=1):
    axis.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    axis.set(title=f"head {n}", xlabel="looks at")
    axis.set_xticks(range(len(verse)), verse, fontsize=8)
    axis.set_yticks(range(len(verse)), verse, fontsize=8)
    axis.tick_params(length=0)
axes[0].set_ylabel("reading")
figure.savefig(args.out / "21_heads.png", dpi=120)

# %%
# The classic mistake
# -------------------
# Forget the mask, and the loss is wonderful: every place sees the next letter, which is its answer, and learns to copy
# it. But when it writes there is no next letter to copy. A loss that is too good to be true is not true. The gradient
# finds out quickly: what does the output at place 10 depend on?

cheat = Writer(causal=False).to(args.device)
cheat_losses, cheat_held = train(cheat, 100 if args.quick else 400)
print(f"\nwithout the mask: loss {cheat_losses[-20:].mean():.3f}, on the held-out sonnet {cheat_held[-1, 1]:.3f}")
print(f"and it writes: {write(cheat, 0.8, length=60)!r}")
for name, model in (("with the mask", writer), ("without", cheat)):
    model.eval()
    x = (model.letter(held_out[None, :PLACES]) + model.codes).detach().requires_grad_()
    model.blocks(x, mask=model.late)[0, 10].sum().backward()
    depends = np.flatnonzero(np.abs(x.grad.cpu().numpy()[0]).sum(axis=1))
    print(f"{name:14} place 10 depends on the places {depends.min()} to {depends.max()}")
    assert depends.max() == (10 if model is writer else PLACES - 1)
print("\nfigures: 21_lookup.png, 21_positions.png, 21_learning.png, 21_heads.png")

# %%
# In verses that it never saw, the network guesses better than the uniform guesser and than the bigram; and it has
# learned the look-up:

assert final < uniform - 0.5, final
if not args.quick:
    assert final < bigram - 0.15, (final, bigram)
    assert found > 0.99, found

# %%
# Exercises
# ---------
# 1. Leave out ``self.codes``. Which loss do you reach, and what does that say about the bigram? Then leave out the
#    attention instead: ``block.self_attn`` replaced by something that returns zeros.
# 2. Train for 5,000 steps with ``weight_decay=0.01``. What do the two curves do, and what does it write at temperature
#    0.3? Where have you read that before?
# 3. Write a *trigram*, which knows two letters of the past, with ``np.add.at`` on a table of three dimensions. How do
#    you have to mix it with the bigram, so that it is not ruined by what it never saw? Does it beat the transformer?
