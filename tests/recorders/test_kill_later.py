"""A recording whose replicas part from the reference at a later step, killed around that step."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nndyn
from nndyn.store import verify
