"""Whether a page answers, for the health checks: ``answers.py ADDRESS`` ends with 0, or fails."""

import sys
import urllib.request

if __name__ == "__main__":
    urllib.request.urlopen(sys.argv[1], timeout=8).close()  # noqa: S310 - the address of this container itself
