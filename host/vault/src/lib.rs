//! Secret references and the secrets behind them.
