"""One process of a training on several; run by ``torch.distributed.run`` with the file that holds the job."""

import os
import sys
import threading


def end_with_parent() -> None:
    """End this process when the one that has started all of them closes its pipe, or is gone."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()  # before what takes seconds to load
    from xmas_assets.training.ranked import main

    main(sys.argv[1])
