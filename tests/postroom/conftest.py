"""The stage of the pipeline's tests serves here, too, for commands that ask Google."""

from tests.pipeline.conftest import sandbox_process, stage, workshop

__all__ = ["sandbox_process", "stage", "workshop"]
