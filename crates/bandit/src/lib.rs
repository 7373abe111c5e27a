//! Arm statistics, flat and tree lower-confidence-bound policies, and a regret simulation. Host numbers only.
