"""TensorFlow Privacy: seed 000's Wide & Deep with and without DP-Adam, by each of its ways that runs on this model; see contest.py."""

import logging
import os
import warnings

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
warnings.simplefilter('ignore')

from contest import check_noise, load, serve  # noqa: E402

contest = load()

import tensorflow as tf  # noqa: E402

tf.get_logger().setLevel(logging.ERROR)
logging.getLogger('absl').setLevel(logging.ERROR)
tf.config.threading.set_intra_op_parallelism_threads(contest.meta['threads'])
tf.config.threading.set_inter_op_parallelism_threads(1)

import tensorflow_privacy as tfp  # noqa: E402
from tensorflow_privacy.privacy.fast_gradient_clipping.layer_registry import make_default_layer_registry  # noqa: E402
from tensorflow_privacy.privacy.keras_models.dp_keras_model import DPModel  # noqa: E402

meta = contest.meta
BATCH, CLIP, NOISE, RATE = meta['batchSize'], float(meta['maxGradNorm']), float(meta['noiseMultiplier']), meta['learningRate']
layers = tf.keras.layers


def network():
    """(inputs, output) of the functional model."""
    user, item, gender = (layers.Input((), dtype=tf.int64) for _ in range(3))
    age, occupation = layers.Input((1,)), layers.Input((1,))
    deep = layers.Concatenate()([layers.Embedding(meta['users'], 10)(user), layers.Embedding(meta['items'], 10)(item), layers.Embedding(2, 2)(gender)])
    deep = layers.Dense(32, 'relu')(layers.Dense(64, 'relu')(deep))
    wide = [layers.Dense(4, 'relu')(age), layers.Dense(4, 'relu')(occupation)]
    return [user, item, gender, age, occupation], layers.Dense(1)(layers.Concatenate()([deep, *wide]))


# Batches ready as tensors beforehand: no input pipeline in what is timed.
batches = []
for i in range(len(contest.batches)):
    *inputs, targets = contest.features(i)
    batches.append((tuple(tf.constant(column) for column in inputs), tf.constant(targets)))


def model_of(make=tf.keras.Model, **settings):
    inputs, output = network()
    return make(inputs=inputs, outputs=output, **settings)


def stepper(run):
    def step(turn):
        inputs, targets = batches[turn % len(batches)]
        return run(inputs, targets).numpy()

    return step


def plain(jit):
    model = model_of()
    optimizer = tf.keras.optimizers.legacy.Adam(RATE)

    @tf.function(jit_compile=jit)
    def run(inputs, targets):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs, training=True) - targets))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    return stepper(run), model


def by_optimizer(make, jit):
    """The documented way: per-example losses and a DP optimiser."""
    model = model_of()
    optimizer = make(l2_norm_clip=CLIP, noise_multiplier=NOISE, num_microbatches=BATCH, learning_rate=RATE)

    @tf.function(jit_compile=jit)
    def run(inputs, targets):
        with tf.GradientTape(persistent=True) as tape:
            losses = tf.square(model(inputs, training=True) - targets)[:, 0]
        optimizer.minimize(losses, model.trainable_variables, tape=tape)
        return tf.reduce_mean(losses)

    return stepper(run), model


def by_model(registry, xla):
    """DPModel: with a layer registry its fast gradient clipping, without one a vectorised map over examples."""
    model = model_of(DPModel, l2_norm_clip=CLIP, noise_multiplier=NOISE, use_xla=xla, layer_registry=registry)
    model.compile(optimizer=tf.keras.optimizers.legacy.Adam(RATE), loss=tf.keras.losses.MeanSquaredError())
    train_step = model.train_step

    @tf.function(jit_compile=xla)
    def run(inputs, targets):
        return train_step((inputs, targets))['loss']

    return stepper(run), model


candidates = {
    'private:keras': lambda: by_optimizer(tfp.DPKerasAdamOptimizer, False),
    'private:vectorized': lambda: by_optimizer(tfp.VectorizedDPKerasAdamOptimizer, False),
    'private:vectorized-xla': lambda: by_optimizer(tfp.VectorizedDPKerasAdamOptimizer, True),
    'private:model': lambda: by_model(None, False),
    'private:model-xla': lambda: by_model(None, True),
    'private:fast-clipping': lambda: by_model(make_default_layer_registry(), False),
    'private:fast-clipping-xla': lambda: by_model(make_default_layer_registry(), True),
}
plain_step, plain_model = plain(False)
parameters = int(sum(tf.size(v) for v in plain_model.trainable_variables))
variants, failures = {'plain': plain_step}, []
for name, make in {'plain:xla': lambda: plain(True), **candidates}.items():
    try:
        step, model = make()
        table = next(v for v in model.trainable_variables if v.shape == (meta['users'], 10))
        before = table.numpy()
        step(0)
        step(1)
        if name.startswith('private'):
            check_noise(table.numpy() - before)
        variants[name] = step
    except Exception as error:  # a way that does not run on this model is reported, not fatal
        reason = str(error).strip().splitlines()
        failures.append({'variant': name, 'reason': f'{type(error).__name__}: {reason[-1][:200] if reason else ""}'})

serve('TensorFlow Privacy', f'{tfp.__version__} on TensorFlow {tf.__version__}', parameters, variants, failures)
