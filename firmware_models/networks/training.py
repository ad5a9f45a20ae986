"""How are the float weights found? With noise (the digits) or against an attack (MNIST); all of it seeded."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from architectures import Network
from data import SEED, Split

BATCH, EPOCHS, PATIENCE, LEARNING_RATE, NOISE = 32, 120, 25, 0.003, 0.2
ATTACK_BATCH, ATTACK_EPOCHS, ATTACK_RATE, ATTACK_STEP, ATTACK_L1 = 64, 40, 0.002, 12 / 255, 2e-5


def train(network: Network, split: Split) -> Any:
    """A Keras model of float weights, its input noise (which is none outside training) included."""
    tf.keras.backend.clear_session()  # tensor names must not depend on which networks were made before
    tf.keras.utils.set_random_seed(SEED)
    return _with_noise(network, split) if network.data == "digits" else _against_attack(network, split)


def _loss(network: Network) -> Any:
    return tf.keras.losses.SparseCategoricalCrossentropy(from_logits=network.gives_logits)


def _with_noise(network: Network, split: Split) -> Any:
    """The weights of the epoch with the lowest validation loss.

    Gaussian noise is added to the input while training, so that small perturbations matter less.
    """
    assert split.validation is not None
    noise = tf.keras.layers.GaussianNoise(NOISE, seed=SEED)
    model = tf.keras.Sequential([tf.keras.layers.Input(network.input_shape), noise, *network.layers()])
    model.compile(tf.keras.optimizers.Adam(LEARNING_RATE), _loss(network))
    shape = (-1, *network.input_shape)
    model.fit(
        split.training.x.reshape(shape),
        split.training.y,
        validation_data=(split.validation.x.reshape(shape), split.validation.y),
        batch_size=BATCH,
        epochs=EPOCHS,
        callbacks=[tf.keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    return model


def _against_attack(network: Network, split: Split) -> Any:
    """The weights after ATTACK_EPOCHS epochs on attacked images: fast adversarial training, arXiv:2001.03994.

    Each batch is moved by a random amount of at most ATTACK_STEP per pixel, then by as much along the sign of
    the loss's gradient, and clipped to both ranges. L1 on all weights; the learning rate falls linearly to 0.
    """
    model = tf.keras.Sequential([tf.keras.layers.Input(network.input_shape), *network.layers()])
    loss = _loss(network)
    x, y = split.training.x.reshape(-1, *network.input_shape), split.training.y
    n_steps = ATTACK_EPOCHS * (len(x) // ATTACK_BATCH)
    rate = tf.keras.optimizers.schedules.PolynomialDecay(ATTACK_RATE, n_steps, 0.0)
    adam = tf.keras.optimizers.Adam(rate)
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]

    @tf.function
    def step(image: Any, start: Any, digit: Any) -> None:
        moved = tf.clip_by_value(image + start, 0.0, 1.0)
        with tf.GradientTape() as tape:
            tape.watch(moved)
            value = loss(digit, model(moved, training=True))
        moved = moved + 1.25 * ATTACK_STEP * tf.sign(tape.gradient(value, moved))
        near = tf.clip_by_value(moved, image - ATTACK_STEP, image + ATTACK_STEP)
        attacked = tf.clip_by_value(near, 0.0, 1.0)
        with tf.GradientTape() as tape:
            value = loss(digit, model(attacked, training=True))
            value += ATTACK_L1 * tf.add_n([tf.reduce_sum(tf.abs(kernel)) for kernel in kernels])
        weights = model.trainable_variables
        adam.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))

    rng = np.random.default_rng(SEED)
    for _ in range(ATTACK_EPOCHS):
        order = rng.permutation(len(x))
        for first in range(0, len(x) - ATTACK_BATCH + 1, ATTACK_BATCH):
            batch = order[first : first + ATTACK_BATCH]
            start = rng.uniform(-ATTACK_STEP, ATTACK_STEP, x[batch].shape).astype(np.float32)
            step(tf.constant(x[batch]), tf.constant(start), tf.constant(y[batch]))
    return model
