//! What only the whole house can prove.
