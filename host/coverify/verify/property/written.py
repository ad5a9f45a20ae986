"""A formula as JSON and back: how a witness says what it breaks. Read as untrusted data: closed, bounded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from coverify.verify.property.formula import AllOf, AnyOf, ClassIs, FewFalse, Formula, Relation

MAX_PARTS = 10_000

Element = Annotated[int, Field(ge=0, lt=2**31)]
Integer = Annotated[int, Field(ge=-(2**62), lt=2**62)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WrittenRelation(_Closed):
    """Σ coefficients[k] · y[outputs[k]] <= bound."""

    kind: Literal["relation"]
    outputs: Annotated[tuple[Element, ...], Field(max_length=MAX_PARTS)]
    coefficients: Annotated[tuple[Integer, ...], Field(max_length=MAX_PARTS)]
    bound: Integer


class WrittenClass(_Closed):
    """The class is `index`, or is not."""

    kind: Literal["class"]
    index: Element
    wanted: bool


class WrittenJoin(_Closed):
    """All parts hold, some part does, or (few) at most `limit` parts are false."""

    kind: Literal["all", "any", "few"]
    parts: Annotated[tuple[Written, ...], Field(max_length=MAX_PARTS)]
    limit: Annotated[int, Field(ge=0, lt=2**31)] = 0


Written = Annotated[WrittenRelation | WrittenClass | WrittenJoin, Field(discriminator="kind")]
WrittenJoin.model_rebuild()


def written(formula: Formula) -> WrittenRelation | WrittenClass | WrittenJoin:
    """The formula as a document."""
    match formula:
        case Relation(terms, bound):
            outputs, coefficients = tuple(i for i, _ in terms), tuple(c for _, c in terms)
            return WrittenRelation(kind="relation", outputs=outputs, coefficients=coefficients, bound=bound)
        case ClassIs(index, wanted):
            return WrittenClass(kind="class", index=index, wanted=wanted)
        case AllOf(parts):
            return WrittenJoin(kind="all", parts=tuple(map(written, parts)))
        case AnyOf(parts):
            return WrittenJoin(kind="any", parts=tuple(map(written, parts)))
        case FewFalse(limit, parts):
            return WrittenJoin(kind="few", parts=tuple(map(written, parts)), limit=limit)


def read(document: WrittenRelation | WrittenClass | WrittenJoin) -> Formula:
    """The formula of a document.  Raises ValueError where a join has no parts, unless it is all there is and
    `any`: what a VNN-LIB file says that speaks of inputs alone.
    """
    match document:
        case WrittenJoin(kind="any", parts=()):
            return AnyOf(())
        case _:
            return _read(document)


def _read(document: WrittenRelation | WrittenClass | WrittenJoin) -> Formula:
    match document:
        case WrittenRelation():
            if len(document.outputs) != len(document.coefficients):
                raise ValueError("a relation has as many coefficients as outputs")
            return Relation(tuple(zip(document.outputs, document.coefficients, strict=True)), document.bound)
        case WrittenClass():
            return ClassIs(document.index, document.wanted)
        case WrittenJoin(kind=kind):
            parts = tuple(map(_read, document.parts))
            if not parts:
                raise ValueError(f"{kind} of no parts says nothing of the outputs")
            if kind == "few":
                if document.limit >= len(parts):
                    raise ValueError(
                        f"at most {document.limit} of {len(parts)} parts are false whatever comes out"
                    )
                return FewFalse(document.limit, parts)
            return AllOf(parts) if kind == "all" else AnyOf(parts)
