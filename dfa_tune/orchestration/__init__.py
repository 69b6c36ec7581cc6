"""Running sweeps: packs, the Ray Tune driver, its workers, clusters. The only package that imports Ray."""
