"""Where a record without a task may get one from, if the user asks for it."""

from pathlib import PurePosixPath

from xmas_assets.data.images import ImageRoot
from xmas_assets.data.registration import TaskRule
from xmas_assets.data.validators import Draft


def with_task(draft: Draft, rule: TaskRule | None, *, root: ImageRoot) -> Draft:
    """The draft with the task that a rule finds, and the notice ``task_from_folder``; a task of its own stays.

    Args:
        draft: A record, before its images are checked.
        rule: ``folder``: the first folder on the path of the first image, as ``coco`` in ``coco/train2017/1.jpg``.
            A record without images, or whose first image lies in no folder or came as bytes, gets none.
        root: Where images are; paths count from it.
    """
    first = draft.images[0] if draft.images else None
    if rule is None or draft.task or not isinstance(first, str):
        return draft
    folders = PurePosixPath(root.relative(first)).parts[:-1]
    return draft._replace(task=folders[0], notices=(*draft.notices, "task_from_folder")) if folders else draft
