//! The control plane: API, queue and store. Holds no secret of the warehouse and runs no guest.
