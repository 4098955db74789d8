"""Opacus: seed 000's Wide & Deep with and without DP-Adam, in each of Opacus's gradient modes that runs on this model; see contest.py."""

import os
import warnings

from contest import check_noise, load, serve

contest = load()
threads = contest.meta['threads']
os.environ['OMP_NUM_THREADS'] = str(threads)

import numpy as np  # noqa: E402
import opacus  # noqa: E402
import torch  # noqa: E402
from opacus import PrivacyEngine  # noqa: E402
from torch import nn  # noqa: E402

warnings.simplefilter('ignore')
torch.set_num_threads(threads)
torch.set_num_interop_threads(1)

meta = contest.meta
BATCH, CLIP, NOISE, RATE = meta['batchSize'], float(meta['maxGradNorm']), float(meta['noiseMultiplier']), meta['learningRate']


class WideAndDeep(nn.Module):
    def __init__(self):
        super().__init__()
        self.user = nn.Embedding(meta['users'], 10)
        self.item = nn.Embedding(meta['items'], 10)
        self.gender = nn.Embedding(2, 2)
        self.age = nn.Linear(1, 4)
        self.occupation = nn.Linear(1, 4)
        self.hidden1 = nn.Linear(22, 64)
        self.hidden2 = nn.Linear(64, 32)
        self.output = nn.Linear(40, 1)
        for table in (self.user, self.item, self.gender):
            nn.init.uniform_(table.weight, -0.05, 0.05)

    def forward(self, user, item, gender, age, occupation):
        deep = torch.cat((self.user(user), self.item(item), self.gender(gender)), -1).flatten(1)
        deep = torch.relu(self.hidden2(torch.relu(self.hidden1(deep))))
        wide = (torch.relu(self.age(age)), torch.relu(self.occupation(occupation)))
        return self.output(torch.cat((deep, *wide), 1))


# Batches ready as tensors beforehand: no sampler, no loader, no collation in what is timed. Indices as one column, since expanded weights take
# nothing without a second dimension; the other modes are as fast either way.
batches = [tuple(torch.from_numpy(column if column.ndim == 2 else column[:, None]) for column in contest.features(i)) for i in range(len(contest.batches))]


def adam(model, fused=True):
    """Fused: its fastest Adam on a CPU."""
    return torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.999), eps=1e-7, fused=fused)


def plain():
    model, criterion = WideAndDeep(), nn.MSELoss()
    optimizer = adam(model)

    def step(turn):
        *inputs, targets = batches[turn % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(*inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, sum(p.numel() for p in model.parameters())


def private(mode):
    model, criterion = WideAndDeep(), nn.MSELoss()
    # make_private derives the constant divisor from the loader: rows ÷ batches = the batch size.
    rows = BATCH * len(batches)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(rows)), batch_size=BATCH)
    made = PrivacyEngine(accountant='rdp').make_private(
        module=model, optimizer=adam(model), criterion=criterion, data_loader=loader, noise_multiplier=NOISE, max_grad_norm=CLIP,
        poisson_sampling=False, grad_sample_mode=mode,
    )
    model, optimizer = made[0], made[1]
    if mode == 'ghost':
        criterion = made[2]
    assert optimizer.expected_batch_size == BATCH, optimizer.expected_batch_size
    # The hook that makes the accountant count is its business, not the step's; counting is next to nothing either way.

    def step(turn):
        *inputs, targets = batches[turn % len(batches)]
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(*inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item() if mode == 'ghost' else loss.detach()

    return step, (model.user if hasattr(model, 'user') else model._module.user).weight


def sampled():
    """hooks, with the Poisson sampler and loader that make_private hands out: what a user of Opacus runs."""
    model, criterion = WideAndDeep(), nn.MSELoss()
    users = contest.users
    columns = (users[:, None], contest.items[:, None], contest.gender[users][:, None], contest.age[users][:, None], contest.occupation[users][:, None], contest.ratings[:, None])
    data = torch.utils.data.TensorDataset(*(torch.from_numpy(np.ascontiguousarray(column)) for column in columns))
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH)
    model, optimizer, loader = PrivacyEngine(accountant='rdp').make_private(
        module=model, optimizer=adam(model), data_loader=loader, noise_multiplier=NOISE, max_grad_norm=CLIP,
    )
    stream = iter(loader)

    def step(_):
        nonlocal stream
        batch = next(stream, None)
        if batch is None:
            stream = iter(loader)
            batch = next(stream)
        *inputs, targets = batch
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(*inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


plain_step, parameters = plain()
variants, failures = {'plain': plain_step}, []
for mode in ('hooks', 'functorch', 'ew', 'ghost'):
    try:
        step, table = private(mode)
        before = table.detach().clone()
        step(0)
        step(1)
        check_noise((table.detach() - before).numpy())
        variants[f'private:{mode}'] = step
    except Exception as error:  # a mode that does not run on this model is reported, not fatal
        failures.append({'variant': f'private:{mode}', 'reason': f'{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ""}'})
variants['sampled:hooks'] = sampled()

serve('Opacus', f'{opacus.__version__} on PyTorch {torch.__version__}', parameters, variants, failures)
