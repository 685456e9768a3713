"""Where to look: which pixels of each picture a model sees, and how its parts are found."""

from typing import Literal

import numpy as np
from pydantic import ValidationError

from ml.errors import ParameterError
from ml.inspection_area import (
    Annulus,
    Brush,
    Ellipse,
    InspectionArea,
    Polygon,
    Rectangle,
    Shape,
    brush_of,
    mask_of,
    mask_of_area,
)
from ml.part_search import PartSearch
from ml.preprocessing import RingSearch
from station.projects.flow import Readiness
from station.projects.project import Looks, Project, ProjectPicture, SearchCheck

Role = Literal["look", "ignore"]
Size = tuple[int, int]
"""Width, height in px."""

SAMPLE = 20
"""So many good pictures, spread evenly over all, are looked at when it is checked how parts lie or are found."""

MOST_MISSING = 0.2
"""As in training: where the part is not found in more of the pictures than this, it is the search that is wrong."""


def readiness(project: Project) -> Readiness:
    """Never incomplete: the whole picture is looked at unless something else is chosen."""
    if project.is_fine_tuning:
        words = _consequence(project)
        return Readiness(consequence=f"As the model that is fine-tuned: {words[:1].lower()}{words[1:]}")
    obstacle = _size_obstacle(project) or _search_obstacle(project)
    return Readiness(obstacle) if obstacle else Readiness(consequence=_consequence(project))


def part_size(looks: Looks) -> Size | None:
    """Of what is cut out around each part; None where none are searched."""
    return None if looks.parts is None else (looks.parts.width_px, looks.parts.height_px)


def with_shape(looks: Looks, shape: Shape, role: Role, size: Size) -> Looks:
    """With one shape more, drawn on a picture of `size`; brush strokes of one role become one shape.

    Raises ParameterError where nothing would be left to look at, or the shape lies beside the picture.
    """
    shapes = _shapes(area_on(looks, size))
    if isinstance(shape, Brush):
        painted = [one for one in shapes[role] if isinstance(one, Brush)]
        kept = tuple(one for one in shapes[role] if not isinstance(one, Brush))
        shapes[role] = (*kept, _united([*painted, shape], size))
    else:
        shapes[role] = (*shapes[role], shape)
    return _with_area(looks, shapes, size)


def without_stroke(looks: Looks, stroke: Brush, size: Size) -> Looks:
    """What was painted with the brush before, of both roles, without the pixels of `stroke`. Raises ParameterError."""
    shapes = _shapes(area_on(looks, size))
    for role, kept in shapes.items():
        shapes[role] = tuple(left for one in kept if (left := _rubbed_out(one, stroke, size)) is not None)
    return _with_area(looks, shapes, size)


def without_shape(looks: Looks, role: Role, number: int, size: Size) -> Looks:
    """Without shape `number` of a role. Raises ParameterError where nothing would be left to look at."""
    shapes = _shapes(area_on(looks, size))
    shapes[role] = tuple(one for place, one in enumerate(shapes[role]) if place != number)
    return _with_area(looks, shapes, size)


def without_area(looks: Looks) -> Looks:
    """With the whole picture, or the whole part."""
    return looks.model_copy(update={"area": None, "region": None})


def with_parts(looks: Looks, parts: PartSearch | None) -> Looks:
    """Look at found parts, or at whole pictures again. An area stays where it was drawn on something of that size."""
    changed = looks.model_copy(update={"parts": parts, "region": None, "ring": None if parts else looks.ring})
    is_kept = looks.area is None or part_size(changed) == part_size(looks) or fits(changed, part_size(changed))
    return changed if is_kept else changed.model_copy(update={"area": None})


def with_ring(looks: Looks, ring: RingSearch | None) -> Looks:
    """Look at a ring around a circle on each part; parts and area, which lie elsewhere then, go."""
    update = {"ring": ring} if ring is None else {"ring": ring, "parts": None, "area": None, "region": None}
    return looks.model_copy(update=update)


def listed(looks: Looks, size: Size | None) -> tuple[tuple[Role, Shape], ...]:
    """The shapes of what is looked at on a picture of `size`, in the order in which they are shown."""
    area = area_on(looks, size)
    if area is None:
        return ()
    look: tuple[tuple[Role, Shape], ...] = tuple(("look", shape) for shape in area.look)
    return (*look, *(("ignore", shape) for shape in area.ignore))


def area_on(looks: Looks, size: Size | None) -> InspectionArea | None:
    """The area that was drawn on a picture of `size`; a region of interest is one of a single rectangle."""
    if fits(looks, size):
        return looks.area
    region = looks.region
    if region is None or size is None or looks.area is not None or region.x >= size[0] or region.y >= size[1]:
        return None
    rectangle = Rectangle(x=region.x, y=region.y, width=region.width, height=region.height)
    return InspectionArea(width_px=size[0], height_px=size[1], look=(rectangle,))


def fits(looks: Looks, size: Size | None) -> bool:
    """Whether there is an area, drawn on a picture of `size`."""
    return looks.area is not None and size == (looks.area.width_px, looks.area.height_px)


def looked_at(area: InspectionArea) -> float:
    """Share of the picture that is looked at."""
    return float(mask_of_area(area).mean())


def sample(project: Project) -> tuple[ProjectPicture, ...]:
    """The good pictures that are looked at when it is checked how parts lie."""
    good = project.used("good", "learn") or project.used("good")
    count = min(len(good), SAMPLE)
    return tuple(good[place * len(good) // count] for place in range(count))


def is_checked(project: Project) -> bool:
    """Whether what is known of the search still belongs to it."""
    check, looks = project.search_check, project.looks
    return check is not None and (check.parts, check.ring) == (looks.parts, looks.ring)


def shape_words(shape: Shape) -> str:
    """What a shape is and how large."""
    match shape:
        case Rectangle():
            return f"Rectangle, {shape.width:.0f} × {shape.height:.0f} px"
        case Ellipse():
            return f"Ellipse, {2 * shape.radius_x:.0f} × {2 * shape.radius_y:.0f} px"
        case Annulus():
            return f"Ring, {shape.inner:.0f} to {shape.outer:.0f} px"
        case Polygon():
            return f"Polygon, {len(shape.points)} corners"
        case Brush():
            return f"Brush, {shape.width} × {shape.height} px"


def _shapes(area: InspectionArea | None) -> dict[Role, tuple[Shape, ...]]:
    return {"look": (), "ignore": ()} if area is None else {"look": area.look, "ignore": area.ignore}


def _with_area(looks: Looks, shapes: dict[Role, tuple[Shape, ...]], size: Size) -> Looks:
    if not any(shapes.values()):
        return without_area(looks)
    try:
        area = InspectionArea(width_px=size[0], height_px=size[1], look=shapes["look"], ignore=shapes["ignore"])
    except ValidationError as error:
        text = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ParameterError(f"{text[:1].upper()}{text[1:]}.") from error
    return looks.model_copy(update={"area": area, "region": None})


def _united(strokes: list[Brush], size: Size) -> Brush:
    width, height = size
    return brush_of(np.logical_or.reduce([mask_of(stroke, height, width) for stroke in strokes]))


def _rubbed_out(shape: Shape, stroke: Brush, size: Size) -> Shape | None:
    """None where nothing is left of it. Only what was painted can be rubbed out."""
    if not isinstance(shape, Brush):
        return shape
    width, height = size
    left = mask_of(shape, height, width) & ~mask_of(stroke, height, width)
    return brush_of(left) if left.any() else None


def _size_obstacle(project: Project) -> str:
    area, wanted = project.looks.area, part_size(project.looks)
    if area is None:
        return ""
    drawn = area.width_px, area.height_px
    if wanted is not None:
        if wanted == drawn:
            return ""
        return (
            f"The area was drawn on {_px(drawn)}, but what is cut out around a part has {_px(wanted)}. Draw it again."
        )
    used = [one for one in project.pictures if one.is_used]
    others = [one for one in used if (one.width_px, one.height_px) != drawn]
    if not others:
        return ""
    return (
        f"The area is drawn on a picture of {_px(drawn)}, but {len(others)} of {len(used)} pictures have another size "
        f"({others[0].name}: {others[0].width_px} × {others[0].height_px} px). Take the area away, have the part found "
        "on each picture, or set those pictures aside."
    )


def _search_obstacle(project: Project) -> str:
    check = project.search_check
    if check is None or not is_checked(project) or len(check.missing) <= MOST_MISSING * check.looked_at:
        return ""
    return (
        f"{missing_words(check)}. Lower the likeness, allow more turning, or draw the box around another part."
        if project.looks.parts is not None
        else f"{missing_words(check)}. Change the ring's ends, or look at the whole picture."
    )


def _consequence(project: Project) -> str:
    looks = project.looks
    words = [_where_words(looks)]
    if looks.clahe is not None:
        words.append("contrast is evened out")
    check = project.search_check
    if check is not None and is_checked(project) and check.missing:
        words.append(f"{missing_words(check)[:1].lower()}{missing_words(check)[1:]}: such pictures are left out")
    return "; ".join(words)


def _where_words(looks: Looks) -> str:
    if looks.ring is not None:
        ends = f"{looks.ring.inner:g} to {looks.ring.outer:g} times its radius"
        strip = ", laid out as a strip" if looks.ring.unwrap else ""
        return f"A ring around the circle on each part is looked at, {ends}{strip}"
    if looks.parts is not None:
        found = _parts_words(looks.parts)
        return found if looks.area is None else f"{found}; {_area_words(looks.area, 'each part')}"
    if looks.region is not None:
        return f"A rectangle of {_px((looks.region.width, looks.region.height))} is looked at"
    if looks.area is None:
        return "The whole picture is looked at"
    words = _area_words(looks.area, "the picture")
    return f"{words[:1].upper()}{words[1:]}"


def _parts_words(parts: PartSearch) -> str:
    size = f"{parts.width_px} × {parts.height_px} px"
    match parts.count:
        case 1:
            return f"The part is found on each picture and cut out upright, {size}"
        case None:
            return f"All parts found on a picture are looked at, each {size}"
        case count:
            return f"{count} parts on each picture, each {size}"


def _area_words(area: InspectionArea, of_what: str) -> str:
    share = looked_at(area)
    shown = "less than 1" if share < 0.01 else "more than 99" if 0.99 < share < 1 else f"{100 * share:.0f}"
    words = f"{shown} % of {of_what} is looked at"
    if len(area.ignore) == 1:
        return f"{words}, 1 area is ignored"
    return f"{words}, {len(area.ignore)} areas are ignored" if area.ignore else words


def missing_words(check: SearchCheck) -> str:
    """In how many pictures the search misses parts."""
    least = 1 if check.parts is None else check.parts.count or 1
    missing = "No part is" if least == 1 else f"Fewer than {least} parts are"
    return f"{missing} found in {len(check.missing)} of {check.looked_at} pictures that were tried"


def _px(size: Size) -> str:
    return f"{size[0]} × {size[1]} px"
