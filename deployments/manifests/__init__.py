"""Find mistakes in the files of a cluster: manifests, kustomizations, `ray up` files, images."""

from deployments.manifests.documents import CheckedFiles
from deployments.manifests.files import check_files, inspect_files

__all__ = [
    "CheckedFiles",
    "check_files",
    "inspect_files",
]
