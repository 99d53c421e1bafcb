import sys

from mien.cli.main import main

sys.exit(main())
