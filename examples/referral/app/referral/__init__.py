"""A referral programme: purchases make volume, volume makes ranks, the first large purchases make pioneers."""
