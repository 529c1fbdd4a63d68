"""``python -m ftpd`` is the ftpd command."""

import sys

from ftpd.cli.ftpd import main

sys.exit(main())
