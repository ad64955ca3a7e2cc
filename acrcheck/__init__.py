"""acrcheck: why a workload on AKS cannot authenticate to or pull from Azure Container Registry."""
