"""Engines that train XGBoost on more rows than memory holds; each module may be taken out."""
