"""A picture to filter, made by arithmetic alone: free of rights, full of edges of every size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]
SUPERSAMPLING = 2
HORIZON = 0.6


def scene(height: int = 288, seed: int = 3) -> NDArray[np.float32]:
    """A lighthouse on a ploughed plain before mountains.

    Furrows that run to the horizon have every spatial frequency, the bricks one; the mountains'
    noise has no scale at all, the tower's outline none but its own.

    Args:
        height: rows; a third more columns.
        seed: of clouds, mountains and grain.

    Shape:
        -> (height, 4 height // 3, 3), red, green and blue from 0 to 1

    Example:
        >>> picture = scene(height=48)
        >>> picture.shape, bool(picture.min() >= 0), bool(picture.max() <= 1)
        ((48, 64, 3), True, True)
    """
    rng = np.random.default_rng(seed)
    width = 4 * height // 3
    rows, columns = height * SUPERSAMPLING, width * SUPERSAMPLING
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) / rows,
        (np.arange(columns) + 0.5) / rows,  # square pixels: x runs from 0 to 4/3
        indexing="ij",
    )
    canvas = _sky(x, y, rng)
    _mountains(canvas, x, y, rng)
    _plain(canvas, x, y, rng)
    _house(canvas, x, y)
    _tower(canvas, x, y)
    pixels = canvas.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean((1, 3))
    pixels += rng.normal(0, 0.008, (height, width, 1))
    return np.clip(pixels, 0, 1).astype(np.float32)


def noise(
    x: Plane, y: Plane, rng: np.random.Generator, octaves: int = 6, persistence: float = 0.5
) -> Plane:
    """Fractal noise around 0: smooth noise of double frequency and smaller height, added up."""
    total = np.zeros_like(x)
    for octave in range(octaves):
        lattice = rng.normal(size=(64, 64))
        total += persistence**octave * _smooth(lattice, x * 2**octave, y * 2**octave)
    return total


def _smooth(lattice: Plane, x: Plane, y: Plane) -> Plane:
    """Values of a periodic lattice, interpolated with horizontal tangents at its points."""
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = (3 * t**2 - 2 * t**3 for t in (x - column, y - row))
    n = len(lattice)
    corners = [[lattice[(row + i) % n, (column + j) % n] for j in (0, 1)] for i in (0, 1)]
    above, below = (left + (right - left) * u for left, right in corners)
    return above + (below - above) * v


def _blend(canvas: Plane, share: Plane, colour: Plane | tuple[float, float, float]) -> None:
    """Paint a colour over a share of each pixel."""
    canvas += share[..., None] * (np.asarray(colour) - canvas)


def _tint(colour: tuple[float, float, float], brightness: Plane) -> Plane:
    return np.clip(np.asarray(colour) * brightness[..., None], 0, 1)


def _sky(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    height = np.clip(y / HORIZON, 0, 1)[..., None]
    canvas = (1 - height) * np.array([0.36, 0.56, 0.80]) + height * np.array([0.98, 0.88, 0.74])
    sun = np.hypot(x - 0.98, y - 0.2)
    _blend(canvas, np.exp(-((sun / 0.16) ** 2)) * 0.6, (1.0, 0.94, 0.78))
    _blend(canvas, (sun < 0.052).astype(float), (1.0, 0.97, 0.88))
    clouds = noise(3 * x, 9 * y, rng, 6, 0.55)
    share = np.clip((clouds - 0.35) * 0.9, 0, 1) * np.clip(1.4 - 2.2 * y, 0, 1)
    _blend(canvas, share * 0.85, (1.0, 0.98, 0.96))
    return canvas


def _mountains(canvas: Plane, x: Plane, y: Plane, rng: np.random.Generator) -> None:
    layers = ((0.40, 0.075, 3.1, (0.56, 0.60, 0.70)), (0.50, 0.055, 4.3, (0.33, 0.40, 0.42)))
    for base, height, frequency, colour in layers:
        ridge = base - height * noise(frequency * x, 0 * x + 7.5, rng, 6, 0.5)
        # Light from the right: the slope of a noise field that is stretched down the mountain.
        relief = noise(9 * x + 3 * (y - ridge), 9 * (y - ridge), rng, 6, 0.62)
        light = 1 + 0.4 * np.gradient(relief, axis=1) * x.shape[1] / 40
        _blend(canvas, (y > ridge).astype(float), _tint(colour, np.clip(light, 0.45, 1.5)))
        snow = (y > ridge) & (y < 0.345 + 0.02 * relief) & (light > 0.75)
        _blend(canvas, snow * 0.9, (0.95, 0.96, 0.98))


def _plain(canvas: Plane, x: Plane, y: Plane, rng: np.random.Generator) -> None:
    depth = np.clip(y - HORIZON, 1e-4, None)
    across = (x - 0.46) / depth  # furrows meet at the horizon
    furrow = 0.5 + 0.5 * np.sin(2 * np.pi * across * 1.7)
    # Furrows finer than a pixel have no contrast left.
    visible = np.clip(depth / 0.035, 0, 1)
    ground = noise(18 * x, 40 * y, rng, 5, 0.6)
    brightness = 0.75 + 0.42 * visible * (furrow - 0.5) + 0.09 * ground
    field = _tint((0.80, 0.66, 0.36), brightness)
    green = _tint((0.50, 0.60, 0.27), brightness * 1.05)
    crop = (np.floor(across / 6.0) % 2 == 0).astype(float)
    _blend(canvas, (y > HORIZON).astype(float), field + crop[..., None] * (green - field))


def _bricks(
    x: Plane, y: Plane, length: float, height: float, joint: float
) -> tuple[NDArray[np.bool_], Plane]:
    """Where mortar is, and a shade for each brick."""
    row = np.floor(y / height)
    along = x / length + 0.5 * (row % 2)
    mortar = ((y / height) % 1 < joint) | (along % 1 < joint * height / length)
    shade = 0.5 + 0.5 * np.sin(91.7 * row + 37.1 * np.floor(along))
    return mortar, shade


def _house(canvas: Plane, x: Plane, y: Plane) -> None:
    wall = (x > 0.09) & (x < 0.43) & (y > 0.52) & (y < 0.76)
    mortar, shade = _bricks(x, y, 0.034, 0.0165, 0.2)
    brick = _tint((0.70, 0.36, 0.26), 0.75 + 0.42 * shade)
    brick[mortar] = (0.86, 0.80, 0.72)
    _blend(canvas, wall.astype(float), brick)
    gable = (np.abs(x - 0.26) < 0.205 - 0.55 * (0.525 - y)) & (y > 0.385) & (y < 0.525)
    tile = np.floor(y / 0.0135)
    bow = ((x / 0.019 + 0.5 * (tile % 2)) % 1 - 0.5) ** 2 * 4
    roof = _tint((0.40, 0.29, 0.31), 0.72 + 0.55 * ((y / 0.0135) % 1) * (1 - bow))
    _blend(canvas, gable.astype(float), roof)
    for centre in (0.155, 0.355):
        frame = (np.abs(x - centre) < 0.036) & (np.abs(y - 0.61) < 0.044)
        glass = (np.abs(x - centre) < 0.029) & (np.abs(y - 0.61) < 0.037)
        cross = (np.abs(x - centre) < 0.004) | (np.abs(y - 0.61) < 0.004)
        _blend(canvas, frame.astype(float), (0.95, 0.94, 0.90))
        _blend(canvas, (glass & ~cross).astype(float), (0.16, 0.22, 0.32))
    door = (np.abs(x - 0.255) < 0.032) & (y > 0.645) & (y < 0.76)
    _blend(canvas, door.astype(float), (0.20, 0.33, 0.30))


def _tower(canvas: Plane, x: Plane, y: Plane) -> None:
    centre, top, bottom = 0.70, 0.17, 0.83
    radius = 0.044 + 0.034 * (y - top) / (bottom - top)
    across = (x - centre) / radius
    round_light = 0.55 + 0.5 * np.sqrt(np.clip(1 - (0.8 * across - 0.35) ** 2, 0, 1))
    # Bands follow the curve of the wall, seen from below.
    height = y - 0.012 * np.sqrt(np.clip(1 - across**2, 0, 1))
    band = np.floor((height - top) / 0.083) % 2 == 0
    wall = (np.abs(across) < 1) & (y > top) & (height < bottom)
    _blend(canvas, (wall & band).astype(float), _tint((0.80, 0.20, 0.17), round_light))
    _blend(canvas, (wall & ~band).astype(float), _tint((0.97, 0.95, 0.92), round_light))
    from_centre = np.abs(x - centre)
    lantern = (from_centre < 0.036) & (np.abs(y - 0.125) < 0.032)
    bars = lantern & (((x - centre + 0.036) / 0.018) % 1 < 0.16)
    gallery = (from_centre < 0.068) & (np.abs(y - 0.166) < 0.010)
    cap = (from_centre < 0.05 * (y - 0.03) / 0.063) & (y < 0.093)
    _blend(canvas, lantern.astype(float), (0.99, 0.93, 0.62))
    _blend(canvas, (bars | gallery).astype(float), (0.20, 0.21, 0.25))
    _blend(canvas, cap.astype(float), (0.55, 0.16, 0.15))
    for row in (0.34, 0.51, 0.68):
        window = (from_centre < 0.011) & (np.abs(y - row) < 0.022)
        _blend(canvas, window.astype(float), (0.13, 0.16, 0.22))
