"""Trials for other programs: CSV files, TensorBoard's event files, MLflow's runs.

Each trial is a run. Trials that differ in their seed alone have the same `group`.
"""
