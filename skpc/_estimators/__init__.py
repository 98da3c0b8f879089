"""What users construct: scikit-learn estimators, their parameters and checks."""
