"""Keras 3 on TensorFlow, from scratch.

Default: the small convolutional network of TensorFlow's tutorial on CIFAR-10, as it is there: Adam, batches of 32, no
augmentation. Tuned: a ResNet-18 with a stem for 32 px and pooling, half as wide where there are less than 5 minutes,
pictures cached in memory, flips and shifts mapped over the dataset, batches of 128, SGD with Nesterov's momentum over
a warm-up and a cosine, label smoothing, bfloat16 where the processor has it, predictions of the picture and its
mirror image.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from _contest import answer, count, epochs_within, seconds_left
from _job import question
from keras import layers

job = question()
keras.utils.set_random_seed(job["seed"])
tuned, size = job["setting"] == "tuned", job["size"]
batch = 128 if tuned else 32
width = 64 if job["minutes"] >= 5 else 32
if tuned and job["low"]:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")


def pictures(part, training=False):
    found = keras.utils.image_dataset_from_directory(
        f"{job['data']}/{part}", image_size=(size, size), batch_size=None, shuffle=training, seed=job["seed"]
    )
    names, files = found.class_names, found.file_paths
    if tuned:
        found = found.map(lambda image, label: (tf.cast(image, tf.uint8), label)).cache()
        found = found.shuffle(50_000) if training else found
    if tuned and training:
        found = found.map(altered, num_parallel_calls=tf.data.AUTOTUNE)
    return found.batch(batch).prefetch(tf.data.AUTOTUNE), names, files


def altered(image, label):
    """Each picture mirrored by chance, and moved by up to 4 pixels."""
    padded = tf.pad(tf.image.random_flip_left_right(image), [[4, 4], [4, 4], [0, 0]], "REFLECT")
    return tf.image.random_crop(padded, (size, size, 3)), label


def tutorials(classes):
    return keras.Sequential(
        [
            layers.Input((size, size, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(classes, dtype="float32"),
        ]
    )


def resnet(classes):
    def convolved(x, filters, kernel=3, stride=1):
        x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
        return layers.BatchNormalization(momentum=0.9)(x)

    inputs = layers.Input((size, size, 3))
    x = layers.ReLU()(convolved(layers.Rescaling(1 / 64, -2.0)(inputs), width))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage in range(4):
        for block in range(2):
            filters, stride = width * 2**stage, 2 if stage and not block else 1
            inner = convolved(layers.ReLU()(convolved(x, filters, stride=stride)), filters)
            x = layers.ReLU()(layers.Add()([inner, convolved(x, filters, 1, 2) if stride == 2 else x]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, dtype="float32")(x))


def loss(classes):
    if not tuned:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    return lambda labels, outputs: smoothed(tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), classes), outputs)


def compiled(classes, steps):
    model = resnet(classes) if tuned else tutorials(classes)
    if tuned:
        warmup = max(1, steps // 4)
        rate = keras.optimizers.schedules.CosineDecay(
            1e-3, max(1, steps - warmup), warmup_target=0.1, warmup_steps=warmup
        )
        # Keras takes decay off the weights and past the momentum, which would make ten times as much of it.
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-3)
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    else:
        optimizer = keras.optimizers.Adam()
    model.compile(optimizer, loss(classes), metrics=[] if tuned else ["accuracy"])
    return model


def rehearse(classes, trained):
    """Seconds of a step of a throw-away copy, and of its first, which compiles."""
    if tuned:
        for _ in trained:  # fills the cache, which is done once and not at every start
            pass
    model, times, most = compiled(classes, 100), [], 0.04 * seconds_left(job)
    begun = time.time()
    for images, labels in trained.repeat():
        model.train_on_batch(images, labels)
        times.append(time.time())
        if len(times) > 4 and times[-1] - times[1] > most:
            break
    return (times[-1] - times[1]) / (len(times) - 2), times[0] - begun


if __name__ == "__main__":
    trained, names, _ = pictures("train", training=True)
    test, _, files = pictures("test")
    validation = None if tuned else pictures("val")[0]
    seconds, compiling = rehearse(len(names), trained)
    steps = -(-count(job, "train") // batch)
    judged, named = (count(job, part) * seconds / batch / 2 for part in ("val", "test"))
    epochs = epochs_within(job, steps * seconds + (0 if tuned else judged), compiling + named * (2 if tuned else 1))
    print(f"{seconds:.3f} s a step: {epochs} epochs of {steps}", flush=True)
    model = compiled(len(names), epochs * steps)
    model.fit(trained, epochs=epochs, validation_data=validation, verbose=2)
    found = model.predict(test, verbose=0)
    if tuned:
        found = found + model.predict(test.map(lambda images, labels: tf.image.flip_left_right(images)), verbose=0)
    network = f"resnet18 for 32 px from {width} channels on" if tuned else "its tutorial's"
    answer(job, network, epochs, files, [names[number] for number in np.argmax(found, 1)])
