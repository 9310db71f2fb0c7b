"""The commands of `headway`, which `flask headway` and `celery headway` have too."""
