"""The picture that an area is drawn on: what is looked at, what is not, and what was found in it."""

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ml.inspection_area import Annulus, Polygon, Shape
from ml.pictures import Pixels
from station.projects.project import Looks
from station.projects.sight import SeenPart, Shown, Sight, overlay_of, ring_overlay
from station.projects.steps.area import Role, Size, area_on
from station.ui import theme, tokens
from station.ui.tokens import Role as Colour
from station.ui.training.area.part_strip import PartStrip
from station.ui.training.picture_bar import PictureBar
from station.ui.widgets.drawing_canvas import DrawingCanvas
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.problem_label import ProblemLabel

PROPOSED: Colour = "text"
OUTLINES: dict[Role, Colour] = {"look": "accent", "ignore": "secondary"}


class AreaStage(QWidget):
    """Shows a sight as it is told to and keeps which of its parts is chosen."""

    part_chosen = Signal()
    """Another part is shown, or would be."""
    proposal_accepted = Signal(str)
    """`look` or `ignore`: what the proposed outline is to be."""
    proposal_discarded = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar, self.canvas = PictureBar(), DrawingCanvas()
        self.canvas.setAccessibleName(self.tr("Picture to draw on"))
        self._problem = ProblemLabel()
        theme.tag(self._problem, "body", "fault")
        self._hint = ElidedLabel()
        theme.tag(self._hint, "body", "secondary")
        self._answer = QWidget()
        self._look, self._ignore = QPushButton(self.tr("Look there")), QPushButton(self.tr("Ignore it"))
        self._discard = QPushButton(self.tr("Discard"))
        theme.mark(self._look, "kind", "primary")
        self._strip = PartStrip()
        self._strip.hide()
        self._sight: Sight | None = None
        self._part = 0
        self._is_cut_out = False
        frame = QFrame()
        theme.mark(frame, "card", True)
        inside = QVBoxLayout(frame)
        inside.setContentsMargins(tokens.XS, tokens.XS, tokens.XS, tokens.XS)
        inside.addWidget(self.canvas)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self.bar)
        column.addLayout(self._arranged_hint())
        column.addWidget(frame, 1)
        column.addWidget(self._problem)
        column.addWidget(self._strip)
        self._strip.part_chosen.connect(self._on_part)
        self.bar.zoom_in_requested.connect(self.canvas.zoom_in)
        self.bar.zoom_out_requested.connect(self.canvas.zoom_out)
        self.bar.fit_requested.connect(self.canvas.fit)

    @property
    def sight(self) -> Sight | None:
        return self._sight

    @property
    def size_shown(self) -> Size | None:
        """Of what is drawn on now: a picture, or a part of it; None while there is neither."""
        shown = self._shown()
        return None if shown is None else (shown.width, shown.height)

    @property
    def is_cut_out(self) -> bool:
        """Whether a part is shown and not the whole picture."""
        return self._is_cut_out and self._chosen() is not None

    @property
    def pixels_shown(self) -> Pixels | None:
        """As they were taken."""
        part = self._chosen() if self._is_cut_out else None
        if part is not None:
            return part.pixels
        return None if self._sight is None else self._sight.pixels

    def show_hint(self, words: str, *, is_proposal: bool = False) -> None:
        """What is to be done on the picture now; `is_proposal`: whether the outline is to be taken."""
        self._hint.setText(words)
        theme.mark(self._hint, "tone", "text" if is_proposal else "secondary")
        self._answer.setVisible(is_proposal)

    def show_problem(self, words: str) -> None:
        """What cannot be done, and why; empty when all is well."""
        self._problem.show_problem(words)

    def take(self, sight: Sight) -> None:
        """Another picture, or the same looked at in another way; `show_as` shows it."""
        if self._sight is None or len(sight.parts) != len(self._sight.parts):
            self._part = 0
        self._sight = sight
        self.canvas.set_stale(False)
        self._strip.setVisible(bool(sight.parts))
        self._strip.show_parts(sight.parts, self._part)

    def show_as(self, *, is_cut_out: bool) -> None:
        """`is_cut_out`: show the chosen part of the picture, if it has any, and not the whole."""
        self._is_cut_out = is_cut_out
        shown = self._shown()
        if shown is not None:
            self.canvas.show_picture(shown.rgb, shown.scale)

    def show_looks(
        self, looks: Looks, shapes: Sequence[tuple[Role, Shape]], selected: int, proposed: Shape | None
    ) -> None:
        """What is looked at; `shapes` are those of the area as they are listed, `proposed` one that may join them."""
        sight, shown = self._sight, self._shown()
        if sight is None or shown is None:
            return
        outlines: list[tuple[Shape, Colour]] = []
        labels: list[str] = []
        overlay, strong = None, None
        if sight.parts and not self.is_cut_out:
            outlines = [(Polygon(points=part.outline), "accent") for part in sight.parts]
            labels = [f"{number}:  {100 * part.likeness:.0f} %" for number, part in enumerate(sight.parts, start=1)]
            strong = self._part if len(sight.parts) > 1 else None
        elif sight.circle is not None and looks.ring is not None:
            overlay = ring_overlay(sight.circle, looks.ring, shown)
            x, y, radius = sight.circle.x + 0.5, sight.circle.y + 0.5, sight.circle.radius
            circle = Annulus(centre_x=x, centre_y=y, inner=max(0.0, radius - 1e-3), outer=radius)
            outlines, labels = [(circle, "accent")], [f"{radius:.0f} px"]
        elif (area := area_on(looks, self.size_shown)) is not None:
            overlay = overlay_of(area)
            outlines = [(shape, OUTLINES[role]) for role, shape in shapes]
            strong = selected if selected >= 0 else None
        if proposed is not None:
            outlines.append((proposed, PROPOSED))
        self.canvas.show_overlay(overlay)
        self.canvas.show_shapes(outlines, strong, labels)

    def _arranged_hint(self) -> QHBoxLayout:
        answer = QHBoxLayout(self._answer)
        answer.setContentsMargins(0, 0, 0, 0)
        answer.setSpacing(tokens.XS)
        for button in (self._look, self._ignore, self._discard):
            answer.addWidget(button)
        self._look.clicked.connect(self._on_look)
        self._ignore.clicked.connect(self._on_ignore)
        self._discard.clicked.connect(self.proposal_discarded)
        # As high as its buttons, whether they are there or not: the picture must not jump.
        self._hint.setMinimumHeight(self._look.sizeHint().height())
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        line.addWidget(self._hint, 1)
        line.addWidget(self._answer)
        self._answer.hide()
        return line

    def _chosen(self) -> SeenPart | None:
        parts = () if self._sight is None else self._sight.parts
        return parts[self._part] if self._part < len(parts) else None

    def _shown(self) -> Shown | None:
        part = self._chosen() if self._is_cut_out else None
        if part is not None:
            return part.shown
        return None if self._sight is None else self._sight.whole

    @Slot()
    def _on_look(self) -> None:
        self.proposal_accepted.emit("look")

    @Slot()
    def _on_ignore(self) -> None:
        self.proposal_accepted.emit("ignore")

    @Slot(int)
    def _on_part(self, number: int) -> None:
        if number >= 0:
            self._part = number
            self.part_chosen.emit()
