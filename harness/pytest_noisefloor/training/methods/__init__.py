"""The methods say which tensors of a base train and are stored for each user; one file each."""
