from ptx.fixtures import compiler as compiler
from ptx.fixtures import cuda as cuda
from ptx.fixtures import driver as driver
