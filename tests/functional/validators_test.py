"""What other people's validators say of the objects that we send."""

import glob
import os
import re
import shutil
import subprocess

from case import FunctionalCase, main
from dicom_tools import tool
from node import run
from processes import TIME_FACTOR

# Java refuses the validator's long XPath expressions unless told otherwise (JDK 17).
JAVA = ["java", "-Xmx512m", "-Djdk.xml.xpathExprOpLimit=0", "-Djdk.xml.xpathTotalOpLimit=0", "-Djdk.xml.xpathExprGrpLimit=0"]


class Validators(FunctionalCase):
    def check_objects(self, study):
        out = os.path.join(self.folder, "out")
        run("classify", study, "--out", out)
        reports = [os.path.join(out, "sr.dcm")]
        captures = sorted(glob.glob(os.path.join(out, "sc-*.dcm")))
        self.assertTrue(captures)
        for file in reports + captures:
            said = tool("dciodvfy", "-new", file, check=False).stdout
            self.assertEqual([line for line in said.splitlines() if re.match(r"\s*Error", line)], [], file)
        said = tool("dcentvfy", *reports, *captures, check=False).stdout
        self.assertEqual([line for line in said.splitlines() if re.match(r"\s*Error", line)], [], said)
        if not shutil.which("java"):
            self.skipTest("java is not here: DicomSRValidator was not run")
        done = subprocess.run([*JAVA, "-cp", "/usr/share/java/pixelmed.jar", "com.pixelmed.validate.DicomSRValidator", reports[0]], capture_output=True,
                              text=True, timeout=300 * TIME_FACTOR, check=False)
        self.assertIn("Root Template Validation Complete", done.stdout, done.stderr)
        self.assertEqual([line for line in done.stdout.splitlines() if line.startswith("Error")], [], done.stdout)

    def test_objects_of_a_phantom(self):
        self.check_objects(self.phantom(51))

    def test_objects_of_the_real_study(self):
        self.check_objects(self.real_study())


if __name__ == "__main__":
    main()
