"""A simulation of many trainers and servers, with measured service times and the client's own code."""
