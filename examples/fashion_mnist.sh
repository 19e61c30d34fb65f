#!/bin/sh
# Two networks on Fashion-MNIST: recorded, their exponents estimated, both drawn.
#
#     sh examples/fashion_mnist.sh
#
# The four files of images come from the folder DATA_DIR, where it is set; else from Debian's
# package dataset-fashion-mnist (apt install dataset-fashion-mnist), where it is installed; else
# they are downloaded once, 30 MB.
#
# As set here: 100 steps of seven replicas. On one core of a laptop the perceptron on 6000 images
# takes half a minute, the convolutions on 1000 of them three. On all 6000, CNN_SAMPLES=6000, they
# take about ten seconds a step.
set -eu

OUT=${OUT:-fashion_mnist}
STEPS=${STEPS:-100}
SAMPLES=${SAMPLES:-6000}
CNN_SAMPLES=${CNN_SAMPLES:-1000}
NNDYN=${NNDYN:-nndyn}

mkdir -p "$OUT"

measure() { # name, model, samples, learning rate
    # distances are what the exponent needs; all states of 50,890 weights would take 300 MB
    "$NNDYN" record training --data fashion-mnist ${DATA_DIR:+--data-dir "$DATA_DIR"} \
        --model "$2" --samples "$3" --lr "$4" --steps "$STEPS" --store distances \
        --output "$OUT/$1.nc" --overwrite
    "$NNDYN" analyze lyapunov "$OUT/$1.nc"
    "$NNDYN" plot lyapunov "$OUT/$1.nc" --output "$OUT/$1.png"
}

measure mlp mlp:784-64-10 "$SAMPLES" 0.1
measure cnn cnn:8-16 "$CNN_SAMPLES" 0.1
