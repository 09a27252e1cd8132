"""SoCo: contrast of corresponding objects between views."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from mmsoco.checkpoints.load_report import LoadReport
from mmsoco.checkpoints.warm_start import (
    Start,
    apply_start,
    load_start,
    parse_starts,
)
from mmsoco.registry import MODELS
from mmsoco.structures import (
    InputConvention,
    RoISet,
    describe_sets,
    parse_pairs,
    roi_sets,
)

from . import detector_parts
from .contrast_head import embedding_std
from .detector_config import read_detector
from .gauges import retrieval_hit_rate
from .object_encoder import ObjectEncoder, reset_parameters
from .pretexts import EncodedView
from .recompute import RecomputedForward
from .roi_pooling import AssignedRoIs
from .target_network import TargetNetwork

# Graphs that the compiler may make of one part: two networks, four views and
# four levels of a pyramid. Beyond its limit it would run the rest uncompiled.
_MAX_GRAPHS = 32


@MODELS.register_module()
class SoCo(BaseModel):
    """Selective Object COntrastive learning (arXiv 2106.02637).

    Boxes of the same object in two views are embedded by an online and by a
    target network; the online one learns to predict the target's embedding
    of the other view. FPN, C4 and SoCo* differ in ``detector`` and ``pairs``
    alone.

    Args:
        detector: Config of the mmdet detector to pretrain for, see
            `ObjectEncoder`; or the name of such a config, see
            `read_detector`.
        projector: Config of a neck from (R, D) to (R, d), such as
            ``mmselfsup.NonLinearNeck``; ``in_channels`` is filled in.
        predictor: Config of such a neck from (R, d) to (R, d).
        head: Config of the loss, see `ContrastHead`.
        pairs: The pairs of views to compare, see
            `mmsoco.structures.parse_pairs`.
        roi_levels: See `ObjectEncoder`.
        finest_scale: See `ObjectEncoder`.
        recompute: Names of the encoder's parts, such as
            ``backbone.layer1``, that keep no activations for the backward
            pass but compute them again: less memory, the same gradients. The
            running statistics of their batch norm move twice a step, and
            these parts are not compiled.
        data_preprocessor: Config of the data preprocessor. The weights take
            its memory format. Color order, mean and deviation are the
            detector's own, and need not be given again.
        init: Where the online network starts; the target is its copy. A
            file of weights (mmdet, mmpretrain, torchvision, detectron2, timm,
            SoCo, see `mmsoco.checkpoints.incoming`) for all parts that it
            has; ``dict(checkpoint=..., parts=['backbone'], prefix=...)`` for
            some of them; ``'scratch'`` for random weights; None for what
            the detector's config says: its ``init_cfg`` of type Pretrained
            where there is one, else random weights. Projector and predictor
            always start at random.
        initialization: How neck and head start at random, see
            `ObjectEncoder`.
        pretexts: Configs of further tasks, see `Pretext`, such as
            ``dict(type='RPNPretext')``. Their losses are added to those of
            the pairs, and their parameters belong to the detector.

    Attributes:
        start_reports: What arrived of ``init``; filled by `init_weights`.

    Raises:
        ValueError: If ``data_preprocessor`` contradicts the detector's,
            ``init`` cannot be read, or a pretext does not fit the detector
            or the pairs.
    """

    def __init__(
        self,
        detector: dict | str,
        projector: dict,
        predictor: dict,
        head: dict,
        pairs: Sequence,
        roi_levels: str = 'all',
        finest_scale: float = 24,
        recompute: Sequence[str] = (),
        data_preprocessor: dict | None = None,
        init: str | dict | None = None,
        initialization: str = 'published',
        pretexts: Sequence[dict] = (),
    ) -> None:
        detector = read_detector(detector)
        detector_parts.check_detector(detector)
        super().__init__(
            data_preprocessor
            and MODELS.build(_with_input_of(detector, data_preprocessor))
        )
        self.starts = parse_starts(init, detector)
        self.start_reports: list[LoadReport] = []
        self.encoder = ObjectEncoder(
            detector, roi_levels, finest_scale, initialization
        )
        _check_widths('projector', projector)
        _check_widths('predictor', predictor)
        self.projector = MODELS.build(
            dict(projector, in_channels=self.encoder.embedding_dims)
        )
        self.predictor = MODELS.build(predictor)
        self.head = MODELS.build(head)
        self.target = TargetNetwork(self.encoder, self.projector)
        for name in recompute:
            part = self.encoder.get_submodule(name)
            part.forward = RecomputedForward(part)
        self.pairs = parse_pairs(pairs)
        self.roi_sets = roi_sets(self.pairs)
        self.pretexts = self._build_pretexts(pretexts, detector)
        trained = [name for name, _ in self.trained_parts().named_children()]
        detector_parts.report_overrides(detector, trained)
        # In the order in which the preprocessor returns the views.
        views_format = getattr(self.data_preprocessor, 'memory_format', None)
        if views_format is not None:
            self.to(memory_format=views_format)

    def _build_pretexts(
        self, configs: Sequence[dict], detector: dict
    ) -> nn.ModuleList:
        for config in configs:
            if not isinstance(config, Mapping):
                raise ValueError(
                    'pretexts expects a list of dicts such as '
                    f"[dict(type='RPNPretext')], got {config!r} in it (in a "
                    'config file: a command line has no dicts)'
                )
        extra = dict(detector=detector, levels=self.encoder.levels)
        pretexts = nn.ModuleList(MODELS.build({**c, **extra}) for c in configs)
        owners = (self.encoder, *pretexts)
        parts = [name for own in owners for name, _ in own.named_children()]
        twice = sorted({name for name in parts if parts.count(name) > 1})
        if twice:
            raise ValueError(
                f'two of the encoder and the pretexts train a part named '
                f'{", ".join(twice)}; give pretexts={list(configs)} each part '
                'once'
            )
        encoded = {of.view for of in self.roi_sets}
        for pretext in pretexts:
            missing = set(pretext.views) - encoded
            if missing:
                raise ValueError(
                    f'{type(pretext).__name__} learns from the views '
                    f'{sorted(missing)}, which no pair of '
                    f'{[pair.views for pair in self.pairs]} encodes'
                )
        return pretexts

    @property
    def pretext_views(self) -> tuple[int, ...]:
        """The views that pretexts learn from, sorted."""
        return tuple(sorted({v for p in self.pretexts for v in p.views}))

    def compile_parts(self, **options: Any) -> None:
        """Compile the layers of both networks with ``torch.compile``.

        The parts between them are not compiled: which levels and samples an
        operation concerns differs from step to step, and a compiler would
        start over for each case.

        Args:
            options: Arguments of ``torch.compile``.
        """
        # The networks share the code of their parts, to which the limit
        # applies; view sizes and the pyramid's finest map differ too.
        dynamo = torch._dynamo.config
        dynamo.recompile_limit = max(dynamo.recompile_limit, _MAX_GRAPHS)
        for encoder in (self.encoder, self.target.encoder):
            for part in encoder.layers():
                part.compile(**options)
        for neck in (self.projector, self.predictor, self.target.projector):
            neck.compile(**options)
        for pretext in self.pretexts:
            for part in pretext.layers():
                part.compile(**options)
        if hasattr(self.data_preprocessor, 'compile_colors'):
            self.data_preprocessor.compile_colors(**options)

    @property
    def input_convention(self) -> InputConvention | None:
        """The input that the network gets; None if the model has no say."""
        return getattr(self.data_preprocessor, 'convention', None)

    def init_weights(self) -> None:
        """Start the online network, then the target as its copy.

        Raises:
            FileNotFoundError: If a file of ``init`` is not there.
            ValueError: If it cannot be read, or a part of it did not arrive.
        """
        self.encoder.init_weights()
        reset_parameters(self.projector)
        reset_parameters(self.predictor)
        for pretext in self.pretexts:
            pretext.init_weights()
        trained = self.trained_parts()
        self.start_reports = [
            load_start(trained, start, self.input_convention)
            for start in self.starts
        ]
        self.target.init_weights()
        self._is_init = True

    def trained_parts(self) -> nn.Module:
        """Join the parts that are trained, under the detector's names."""
        trained = nn.Module()
        for owner in (self.encoder, *self.pretexts):
            for name, part in owner.named_children():
                trained.add_module(name, part)
        return trained

    def start_from(self, checkpoint: Mapping, source: str) -> LoadReport:
        """Start both networks from a detector's or a backbone's weights.

        Args:
            checkpoint: What a checkpoint file holds.
            source: The file, for messages and the report.

        Returns:
            What arrived.

        Raises:
            ValueError: See `mmsoco.checkpoints.warm_start.load_start`.
        """
        report = apply_start(
            self.trained_parts(),
            checkpoint,
            Start(source),
            self.input_convention,
        )
        self.target.copy_online()
        return report

    def _load_from_state_dict(
        self, state_dict: Mapping, prefix: str, *args: Any
    ) -> None:
        # Loaders that skip what they do not know would start from scratch.
        own = tuple(f'{prefix}{name}.' for name, _ in self.named_children())
        if state_dict and not any(name.startswith(own) for name in state_dict):
            raise ValueError(
                'none of the weights to load belong to SoCo; they are named '
                f'{", ".join(sorted(state_dict)[:3])}, .... To start from a '
                "detector or a backbone, set model.init to the file's path."
            )
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(
        self, inputs: list[Tensor], data_samples: dict, mode: str = 'tensor'
    ) -> dict:
        """Compute losses or embeddings of a batch.

        Args:
            inputs: (N, C, h_v, w_v) per view, normalized.
            data_samples: ``bboxes`` has one (N, K, 4) tensor of boxes
                x1, y1, x2, y2 in the view's pixels per RoI set, in the order
                of `mmsoco.structures.roi_sets`; ``roi_sets``, if it is there,
                says for each of the N images which sets these are.
            mode: ``'loss'`` or ``'tensor'``.

        Returns:
            For ``'loss'``: a scalar ``loss_ij`` per pair of views, those of
            the pretexts, and the gauges ``embedding_std``, ``pair_cosine``
            and ``retrieval`` (see
            `mmsoco.models.gauges.retrieval_hit_rate`). For ``'tensor'``:
            ``projections`` and ``predictions``, each a dict from RoI set to
            (N * K, d).

        Raises:
            ValueError: If ``mode`` is another one, or the batch does not fit
                ``pairs``.
        """
        self._check_batch(inputs, data_samples)
        rois = self._assign(data_samples['bboxes'])
        heads = [self.projector, self.predictor]
        views: dict[int, EncodedView] = {}
        online = self._embed(self.encoder, heads, inputs, rois, views)
        projections = {of: out[1] for of, out in online.items()}
        predictions = {of: out[2] for of, out in online.items()}
        if mode == 'tensor':
            return dict(projections=projections, predictions=predictions)
        if mode == 'loss':
            targets = self._target_projections(inputs, rois)
            losses = self._losses(projections, predictions, targets)
            for pretext in self.pretexts:
                losses.update(pretext(views, data_samples))
            return losses
        raise ValueError(
            f"mode must be 'loss' or 'tensor' (SoCo predicts no detections), "
            f'got {mode!r}'
        )

    def _check_batch(self, inputs: list[Tensor], data_samples: dict) -> None:
        num_views = max(of.view for of in self.roi_sets)
        num_sets = len(data_samples['bboxes'])
        if len(inputs) < num_views or num_sets != len(self.roi_sets):
            raise ValueError(
                f'pairs={[p.views for p in self.pairs]} need {num_views} '
                f'views and {len(self.roi_sets)} sets of boxes, got '
                f'{len(inputs)} and {num_sets}; give the pipeline and the '
                'model the same pairs'
            )
        own = describe_sets(self.roi_sets)
        others = {*data_samples.get('roi_sets', ())} - {own}
        if others:
            raise ValueError(
                f'the pipeline gives the boxes of {others.pop()} (view, pair '
                f'of views), but the model expects {own}; give both the same '
                'pairs in the same order'
            )

    def _assign(self, bboxes: Sequence[Tensor]) -> dict[RoISet, AssignedRoIs]:
        return dict(
            zip(self.roi_sets, self.encoder.assign(bboxes), strict=True)
        )

    def _embed(
        self,
        encoder: ObjectEncoder,
        heads: Sequence[nn.Module],
        inputs: list[Tensor],
        rois: dict[RoISet, AssignedRoIs],
        views: dict[int, EncodedView] | None = None,
    ) -> dict[RoISet, list[Tensor]]:
        """Embed every RoI set once, computing each view's maps once.

        Where ``views`` is a dict, it gets the views of the pretexts.
        """
        outputs: dict[RoISet, list[Tensor]] = {}
        for view in sorted({of.view for of in self.roi_sets}):
            names = [of for of in self.roi_sets if of.view == view]
            sets = [rois[of] for of in names]
            images = inputs[view - 1]
            # A pretext wants the pyramid as a whole.
            whole = views is not None and view in self.pretext_views
            maps, embedded = encoder.encode(images, sets, heads, whole)
            if views is not None and whole:
                views[view] = EncodedView(images, maps)
            outputs.update(zip(names, embedded, strict=True))
        return outputs

    @torch.no_grad()
    def _target_projections(
        self, inputs: list[Tensor], rois: dict[RoISet, AssignedRoIs]
    ) -> dict[RoISet, Tensor]:
        heads = [self.target.projector]
        outputs = self._embed(self.target.encoder, heads, inputs, rois)
        return {of: out[1] for of, out in outputs.items()}

    def _losses(
        self,
        projections: dict[RoISet, Tensor],
        predictions: dict[RoISet, Tensor],
        targets: dict[RoISet, Tensor],
    ) -> dict[str, Tensor]:
        views = [
            [RoISet(view, pair.proposals_of) for view in pair.views]
            for pair in self.pairs
        ]
        losses, cosine = self.head(
            _stack(predictions, views), _stack(targets, views)
        )
        names = [
            'loss_' + ''.join(map(str, pair.views)) for pair in self.pairs
        ]
        gauges = dict(
            embedding_std=embedding_std(torch.cat(list(projections.values()))),
            pair_cosine=cosine,
            retrieval=_retrieval(projections, views),
        )
        return dict(zip(names, losses, strict=True), **gauges)


def _retrieval(
    projections: dict[RoISet, Tensor], pairs: Sequence[Sequence[RoISet]]
) -> Tensor:
    """Return how often objects are found again, averaged over the pairs.

    Loss and spread look fine where every object is answered with nearly the
    same few vectors; the objects then are not found again.
    """
    rates = [
        retrieval_hit_rate(projections[one], projections[two])
        for one, two in pairs
    ]
    return torch.stack(rates).mean()


def _with_input_of(detector: dict, preprocessor: dict) -> dict:
    """Give the preprocessor the input convention of the detector.

    Raises:
        ValueError: If the preprocessor has another one.
    """
    convention = InputConvention.of_detector(detector)
    if convention is None:
        return preprocessor
    own = convention.to_preprocessor()
    given = {key: preprocessor[key] for key in own if key in preprocessor}
    merged = InputConvention(
        'BGR' if given.get('bgr', own['bgr']) else 'RGB',
        tuple(given.get('mean', own['mean'])),
        tuple(given.get('std', own['std'])),
    )
    if not convention.is_like(merged):
        raise ValueError(
            f'data_preprocessor of SoCo gives {merged}, but the detector '
            f'that it pretrains gets {convention}. Leave mean, std and bgr '
            "out of SoCo's data_preprocessor, or change the detector's."
        )
    return preprocessor | own


def _stack(
    embeddings: dict[RoISet, Tensor], pairs: Sequence[Sequence[RoISet]]
) -> Tensor:
    """Order (R, D) embeddings by pair and view: (P, 2, R, D)."""
    return torch.stack(
        [torch.stack([embeddings[of] for of in pair]) for pair in pairs]
    )


def _check_widths(name: str, cfg: Mapping) -> None:
    """Refuse a part without channels or layers, which fails much later."""
    for key, value in cfg.items():
        if (key.endswith('channels') or key == 'num_layers') and value < 1:
            raise ValueError(f'{name}.{key} must be 1 or more, got {value!r}')
